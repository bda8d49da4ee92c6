"""A volume as a NIfTI image on the voxels of its source."""

import os
import pathlib

import nibabel
import numpy as np

from tfcyclegan.dicom.frames import Frame
from tfcyclegan.files import sync
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.intensity import unit_to_stored
from tfcyclegan.nifti import images, slicing
from tfcyclegan.nifti.files import VolumeFile

_SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT


class VolumeWriter:
    """Collects slices and writes one image when all are there; a context manager.

    Args:
        path: Ends in .nii.gz.
        source: The source image.
        description: What it is, at most 79 characters.

    Raises:
        Refusal: The source cannot be read any more.
    """

    def __init__(self, path: pathlib.Path, source: VolumeFile, description: str):
        self._path, self._description = path, description
        self._image = images.parse(source.read())
        self._axis = slicing.slice_axis(self._image, source.plane)
        self._voxels = np.zeros(self._image.shape, np.uint16, order="F")

    def __enter__(self) -> "VolumeWriter":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def add(self, frame: Frame, image: np.ndarray) -> None:
        """Takes one slice: float32 [height, width], unit range, in canonical display."""
        stored = unit_to_stored(placement_of(frame).axes.stored(image))
        slicing.stacked(self._voxels, self._axis)[frame.frame_index] = stored

    def __exit__(self, kind, *exception) -> None:
        if kind is not None:
            return
        affine = images.RAS_TO_LPS @ self._image.affine
        made = nibabel.Nifti1Image(self._voxels, affine)
        code = self._image.space or _SCANNER
        made.set_qform(affine, code)
        made.set_sform(affine, code)
        made.header.set_xyzt_units("mm")
        made.header["descrip"] = self._description
        beside = self._path.with_name(f".{self._path.name}.tmp-{os.getpid()}.nii.gz")
        try:
            nibabel.save(made, beside)
            sync(beside)
            os.replace(beside, self._path)
            sync(self._path.parent)
        finally:
            beside.unlink(missing_ok=True)


def stem_of(source: VolumeFile, key: str, identity: str) -> str:
    """Returns what a NIfTI file is called by: its pseudonym `key`, or its own place and name."""
    if identity == "replaced":
        return key
    # Of a list of paths these are absolute, and must not lead out of the output.
    parts = [part for part in os.fsdecode(source.relative).split(os.sep) if part not in ("", "..")]
    return str(pathlib.Path(*parts)).partition(".nii")[0]
