"""Runs the operator's own program that removes faces, on one volume after the other.

The program gets voxels and where they lie, in a private directory, and nothing else of the input.
What it prints is not read.
"""

import contextlib
import ctypes
import dataclasses
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import nibabel
import numpy as np

from tfcyclegan.imaging import reformat
from tfcyclegan.imaging.nifti import images
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.ingest.workers import begin_object
from tfcyclegan.privacy.reasons import Refusal

_LOOK_S = 0.5
"""Time between two looks at the program; each look also restarts the worker's time limit."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_LIBC = ctypes.CDLL(None)


def apply(slices: list, settings: Settings) -> list:
    """Returns the slices of a volume without the face.

    Args:
        slices: features.Slice, in ascending order.
        settings: The command, its time limit, and the directory that is removed in the end.

    Raises:
        Refusal: deface_failed, if the slices are no even stack or are MONOCHROME1, or the program
            failed, was late, changed nothing, or left no finite volume of the same geometry.
    """
    lattice = reformat.lattice_of([placement_of(item.frame) for item in slices])
    if lattice is None or slices[0].frame.layout.inverted:
        raise Refusal("deface_failed")
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = (lattice.axes * lattice.steps[:, None]).T, lattice.origin
    volume = np.stack([item.image() for item in slices])
    try:
        # Of mode 0700, so that nobody else can read the voxels.
        with tempfile.TemporaryDirectory(dir=settings.deface_folder) as folder:
            source, target = (pathlib.Path(folder, f"{name}.nii") for name in ("input", "output"))
            _write(source, volume.T, affine)
            paths = {"{input}": str(source), "{output}": str(target)}
            _run([_filled(part, paths) for part in settings.deface_cmd], folder, settings)
            defaced = _read(target, volume.T.shape, affine).T
    except (OSError, Refusal) as error:
        raise Refusal("deface_failed") from error
    if not np.isfinite(defaced).all() or np.array_equal(defaced, volume):
        raise Refusal("deface_failed")
    return [
        dataclasses.replace(item, defaced=image)
        for item, image in zip(slices, defaced, strict=True)
    ]


def _filled(part: str, paths: dict[str, str]) -> str:
    for name, path in paths.items():
        part = part.replace(name, path)
    return part


def _write(path: pathlib.Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Writes voxels [i, j, k] and their affine, from indices to DICOM's coordinates."""
    image = nibabel.Nifti1Image(voxels, images.RAS_TO_LPS @ affine)  # the matrix is its own inverse
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def _run(command: list[str], folder: str, settings: Settings) -> None:
    """Runs a program without a shell; it, and what it started, ends with the time limit."""
    devnull = subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        stdin=devnull,
        stdout=devnull,
        stderr=devnull,
        cwd=folder,
        start_new_session=True,
        preexec_fn=_end_with_worker,
    )
    deadline = time.monotonic() + settings.deface_timeout_s
    try:
        while process.poll() is None and time.monotonic() < deadline:
            begin_object()  # or the worker would be taken for one that hangs
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(_LOOK_S, settings.deface_timeout_s))
        if process.returncode != 0:
            raise Refusal("deface_failed")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_worker() -> None:
    _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _read(path: pathlib.Path, shape: tuple, affine: np.ndarray) -> np.ndarray:
    """Returns scanner units, float32 [i, j, k]."""
    blob = path.read_bytes()
    image = images.parse(blob)
    if image.shape != shape or not images.same_voxels(np.linalg.inv(affine) @ image.affine, shape):
        raise Refusal("deface_failed")
    return (images.stored(blob, image) * image.slope + image.intercept).astype(np.float32)
