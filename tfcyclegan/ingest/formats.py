"""The steps that differ between DICOM and NIfTI; all other steps are the same for both.

A DICOM file holds slices. A row of a NIfTI table holds a volume and perhaps its masks.
"""

import dataclasses

import numpy as np

from tfcyclegan.imaging.dicom import headers, pixels
from tfcyclegan.imaging.frames import Frame, Reading
from tfcyclegan.imaging.nifti import masks, slicing
from tfcyclegan.imaging.nifti.files import MaskFile, VolumeFile
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest.features import Slice
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal


def frames(
    item: InputObject,
    blob: bytes,
    index: int,
    pseudonyms: Pseudonyms,
    reading: Reading,
) -> list[Frame]:
    """Returns the frames of an object, none for a mask.

    Raises:
        Refusal: The object cannot be converted.
    """
    if isinstance(item, VolumeFile):
        return slicing.frames(item, blob, index, pseudonyms)
    if isinstance(item, MaskFile):
        masks.read(item, blob)
        return []
    return headers.read(blob, index, pseudonyms, reading)


def decode(
    item: InputObject, blob: bytes, wanted: list[Frame]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Returns stored values and padding of frames of one object, as pixels.decode does.

    Raises:
        Refusal: The pixels cannot be trusted; a decoder may raise anything else.
    """
    if isinstance(item, VolumeFile):
        return slicing.decode(item, blob, wanted)
    indices = [frame.frame_index for frame in wanted]
    return pixels.decode(blob, indices, wanted[0].layout, wanted[0].pixels_at)


def with_masks(slices: list[Slice], objects: dict[int, tuple[InputObject, bytes]]) -> list[Slice]:
    """Adds to the slices of a volume the masks among its objects.

    Raises:
        Refusal: changed_during_read.
    """
    for item, stamp in objects.values():
        if isinstance(item, MaskFile):
            slices = _with_mask(slices, item, stamp)
    return slices


def _with_mask(slices: list[Slice], item: MaskFile, stamp: bytes) -> list[Slice]:
    blob = item.read()
    if item.stamp() != stamp:
        raise Refusal("changed_during_read")
    mask = masks.read(item, blob)
    masked_slices = []
    for decoded in slices:
        displayed = placement_of(decoded.frame).axes.display(mask[decoded.frame.frame_index])
        masked_slices.append(
            dataclasses.replace(decoded, masks={**decoded.masks, item.name: displayed})
        )
    return masked_slices
