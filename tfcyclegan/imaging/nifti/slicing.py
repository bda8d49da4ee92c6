"""From a volume to its frames: which axis is sliced, and where each slice lies."""

import math

import numpy as np

from tfcyclegan.imaging.frames import Frame, Layout, Physics
from tfcyclegan.imaging.nifti import images
from tfcyclegan.imaging.nifti.files import VolumeFile
from tfcyclegan.imaging.nifti.images import Image
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal

ISOTROPIC = 1.25
"""Largest ratio of a voxel's longest side to its side across the wanted plane.

Where the ratio is larger, the volume was acquired in another plane.
"""
_NORMALS = {"sagittal": 0, "coronal": 1, "axial": 2}


def frames(item: VolumeFile, blob: bytes, object_index: int, keys: Pseudonyms) -> list[Frame]:
    """Returns the slices of a volume, without their pixels.

    Args:
        item: The file and what its row says.
        blob: Its content.
        object_index: Written into each frame.
        keys: Replace every identifier.

    Raises:
        Refusal: The file cannot be converted.
    """
    image = images.parse(blob)
    voxels = images.stored(blob, image)
    geometry = np.round(image.affine, 4).tobytes()
    # Transposed, voxels lie as in the file, so that nothing is copied.
    content = keys.of_content(geometry, np.ascontiguousarray(voxels.T).data)
    # Of the content alone, so that one image in two rows is found out (volumes.group).
    series = keys.of("series_of_table", content.encode())
    axis = slice_axis(image, item.plane)
    columns, rows = (n for n in range(3) if n != axis)
    step = image.affine[:3, axis]
    return [
        Frame(
            object_index=object_index,
            frame_index=number,
            patient=keys.of("patient", item.patient),
            study=keys.of("study_of_table", _joined(item.patient, item.study)),
            series=series,
            frame_of_ref=_frame_of_ref(item, image, keys),
            instance=series,
            content=content,
            position=tuple((image.affine[:3, 3] + number * step).tolist()),
            orientation=tuple(image.axes[:, [columns, rows]].T.ravel().tolist()),
            spacing=(float(image.spacing[rows]), float(image.spacing[columns])),
            thickness=math.nan,
            slope=image.slope,
            intercept=image.intercept,
            temporal=-1,
            acquisition=-1,
            instance_number=-1,
            physics=Physics(stated=item.sequence),
            layout=_layout(image, rows, columns, axis),
        )
        for number in range(image.shape[axis])
    ]


def slice_axis(image: Image, plane: str) -> int:
    """Returns the voxel axis that counts the slices.

    It is the one nearest the plane's normal, unless the voxels are coarser along another: then the
    volume was acquired in another plane, and that axis tells which.
    """
    spacing = image.spacing
    if plane in _NORMALS:
        nearest = int(np.argmax(np.abs(image.axes[_NORMALS[plane]])))
        if spacing.max() <= ISOTROPIC * spacing[nearest]:
            return nearest
    return int(np.argmax(spacing))


def decode(item: VolumeFile, blob: bytes, wanted: list[Frame]) -> list[tuple[np.ndarray, None]]:
    """Returns the stored values of each frame [rows, columns]; none of them is padding.

    Integers of up to 16 bits stay what they are, which for most images copies nothing; others
    become float32.

    Raises:
        Refusal: not_finite.
    """
    image = images.parse(blob)
    voxels = images.stored(blob, image)
    small = voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2
    kind = voxels.dtype.newbyteorder("=") if small else np.dtype(np.float32)
    slices = stacked(voxels, slice_axis(image, item.plane))
    arrays = [np.asarray(slices[frame.frame_index], kind, order="C") for frame in wanted]
    if not small and not all(np.isfinite(array).all() for array in arrays):
        raise Refusal("not_finite")
    return [(array, None) for array in arrays]


def stacked(voxels: np.ndarray, axis: int) -> np.ndarray:
    """Returns voxels [i, j, k] as [slices, rows, columns]; of two axes left, columns come first."""
    return np.moveaxis(voxels, axis, 0).transpose(0, 2, 1)


def _frame_of_ref(item: VolumeFile, image: Image, keys: Pseudonyms) -> str:
    """Images of one study share coordinates, but a head in an atlas has left the scanner."""
    space = str(image.space).encode()
    return keys.of("frame_of_ref_of_table", _joined(item.patient, item.study, space))


def _joined(*parts: bytes) -> bytes:
    """Joins strings so that no two lists of them give the same."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _layout(image: Image, rows: int, columns: int, axis: int) -> Layout:
    bits = 8 * image.dtype.itemsize
    return Layout(
        transfer_syntax="",
        rows=image.shape[rows],
        columns=image.shape[columns],
        frames=image.shape[axis],
        bits_allocated=bits,
        bits_stored=bits,
        signed=image.dtype.kind != "u",
        inverted=False,
        floating=image.dtype.kind == "f",
        padding=None,
    )
