"""A volume as a NIfTI image on the voxels of its source."""

import contextlib
import os
import pathlib

import nibabel
import numpy as np

from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data.intensity import unit_to_stored
from tfcyclegan.imaging import resampling
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.nifti import images, slicing
from tfcyclegan.imaging.nifti.files import VolumeFile
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.publication import Job
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.page import Gallery
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.volume_pass import (
    NIFTI,
    SYNTHETIC,
    kinds_of,
    pixels_of,
    titles_of,
    translate_volume,
)
from tfcyclegan.translation.volume_report import Report

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
        with files.explained("--output"):
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
        image = nibabel.Nifti1Image(self._voxels, affine)
        code = self._image.space or _SCANNER
        image.set_qform(affine, code)
        image.set_sform(affine, code)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = self._description
        with files.replacing(self._path, suffix=".nii.gz") as beside:
            nibabel.save(image, beside)


def stem_of(source: VolumeFile, key: str, identity: str) -> str:
    """Returns what a NIfTI file is called by: its pseudonym `key`, or its own place and name."""
    if identity == "replaced":
        return key
    # Paths that come from a list are absolute. They must not lead out of the output.
    parts = [part for part in os.fsdecode(source.relative).split(os.sep) if part not in ("", "..")]
    return str(pathlib.Path(*parts)).partition(".nii")[0]


def write_volume(
    job: Job, task: Task, done: Converted, model: Model, config: TranslateConfig, gallery: Gallery
) -> Report | Fault:
    """Writes a volume as NIfTI images; arguments and result as of `dicom_series.write_series`."""
    item = job.objects[done.kept[0].object_index]
    stem = stem_of(item, task.series.volume.key, config.identity)
    titles, writers, names = titles_of(model), {}, []
    for kind in kinds_of(config):
        end = model.target if kind == SYNTHETIC else f"{model.target}_risk"
        names.append(f"{NIFTI}/{stem}_synthetic_{end}.nii.gz")
        path = job.directory / names[-1]
        writers[kind] = hygiene.isolated(VolumeWriter, path, item, titles[kind])
        if isinstance(writers[kind], Fault):
            return writers[kind]

    def add(place: int, frame: Frame, translated_slice: Made, comment: str) -> None:
        for kind, writer in writers.items():
            image = resampling.back(
                pixels_of(kind, translated_slice), placement_of(frame), task.grid
            )
            writer.add(frame, image)

    with contextlib.ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(writer)
        return translate_volume(job, task, done, model, config, gallery, names, add)
