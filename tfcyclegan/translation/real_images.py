"""The real images of what is synthesised, where the study has them on the same voxels."""

import collections
import dataclasses
import math
import os
from collections.abc import Iterator, Sequence

import numpy as np

from tfcyclegan.imaging.geometry import Placement
from tfcyclegan.imaging.nifti.files import VolumeFile
from tfcyclegan.imaging.nifti.images import SAME_VOXEL
from tfcyclegan.imaging.volumes import Volume
from tfcyclegan.ingest import convert_volumes, publication
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.ingest.plan import Series, Task
from tfcyclegan.ingest.publication import Job
from tfcyclegan.translation import inputs
from tfcyclegan.translation.model import Model

RANGE = 1.0
"""Unit range."""

Reals = list[np.ndarray]
"""uint16 [SIZE, SIZE], stored range, of each slice that was kept of a source, lowest first."""


def beside(job: Job, model: Model) -> dict[str, Task]:
    """Returns how the real volume of each source is converted, onto the grid of the source.

    A real volume has the model's target sequence, and nothing but that sequence kept it from being
    translated. It is of the source's study and frame of reference, and its voxels are those of the
    source, slice by slice. Where there are several, one that agrees with the source about the
    contrast agent is better than one that does not. Among equals the lowest key is taken.

    Args:
        job: Its plan translates the model's source.
        model: Translates.

    Returns:
        Tasks by the key of the source's volume; none for a source without a real volume.
    """
    homes: dict[tuple, list[Series]] = collections.defaultdict(list)
    for item in job.planned.series:
        if item.sequence == model.target and item.reason == "other_sequence":
            homes[_home(item, job, model)].append(item)
    real_tasks = {}
    for task in job.planned.tasks:
        source = task.series.volume
        fitting = [
            item
            for item in homes[_home(task.series, job, model)]
            if on_the_same_voxels(source, item.volume)
        ]
        if fitting:
            fitting.sort(key=lambda item: item.volume.key)
            agent = source.physics.contrast
            best = min(fitting, key=lambda item: item.volume.physics.contrast != agent)
            real_tasks[source.key] = dataclasses.replace(task, series=best)
    return real_tasks


def _home(item: Series, job: Job, model: Model) -> tuple:
    first = item.volume.first
    home = first.patient, first.study, first.frame_of_ref
    file = job.objects[first.object_index]
    if not isinstance(file, VolumeFile):
        return home
    # Its place and name are all that says whose image it is.
    scan = inputs.scan_of(file.path, (model.source, model.target))
    return (*home, os.path.dirname(file.path), scan)


def on_the_same_voxels(one: Volume, other: Volume) -> bool:
    """Tells whether two volumes of a frame of reference have the same voxels, slice by slice."""
    return len(one.frames) == len(other.frames) and all(
        _coincide(placement_of(a), placement_of(b))
        for a, b in zip(one.frames, other.frames, strict=True)
    )


def _coincide(a: Placement, b: Placement) -> bool:
    if (a.height, a.width) != (b.height, b.width):
        return False
    farthest = np.linalg.norm(_corners(a) - _corners(b), axis=1).max()
    return bool(farthest <= SAME_VOXEL * min(a.dx, a.dy))


def _corners(placement: Placement) -> np.ndarray:
    """Returns three corners of a slice's display, mm [3, 3]; no voxel is farther from its twin."""
    across = placement.axes.x * placement.dx * (placement.width - 1)
    down = placement.axes.y * placement.dy * (placement.height - 1)
    return placement.origin + np.stack([np.zeros(3), across, down])


def converted(
    job: Job, todo: Sequence[Task], beside: dict[str, Task]
) -> Iterator[tuple[Converted, Reals | None]]:
    """Yields what became of each volume, and its real images; None where it has none.

    Args:
        job: Says how.
        todo: The volumes, in order.
        beside: Of `beside`.
    """
    partners = [beside.get(task.series.volume.key) for task in todo]
    tasks = [member for pair in zip(partners, todo, strict=True) for member in pair if member]
    input_objects = publication.inputs_of(job, tasks)
    stream = convert_volumes.convert_volumes(tasks, input_objects, job.settings, job.workers)
    for task, partner in zip(todo, partners, strict=True):
        real = next(stream)[1] if partner else None
        source = next(stream)[1]
        yield source, images_of(task, source, partner, real) if partner else None
        del real, source  # the next are decoded before these names are bound again


def images_of(task: Task, source: Converted, beside: Task, real: Converted) -> Reals | None:
    """Returns the real image of each slice of a source that was kept.

    Args:
        task: The source's.
        source: What became of it.
        beside: The real volume's.
        real: What became of that.

    Returns:
        None where one could not be read.
    """
    images_at = {_at(f): r["image/data"] for f, r in zip(real.kept, real.records, strict=True)}
    frames = (member.series.volume.frames for member in (task, beside))
    partners = {_at(a): images_at.get(_at(b)) for a, b in zip(*frames, strict=True)}
    images = [partners[_at(frame)] for frame in source.kept]
    return None if any(image is None for image in images) else images


def _at(frame) -> tuple[int, int]:
    # Frames that came back from a worker are equal to no other, as they may hold NaN.
    return frame.object_index, frame.frame_index


class Agreement:
    """How far a synthetic volume agrees with the real one, measured as training validates."""

    def __init__(self):
        self._errors: list[float] = []
        self._likeness: list[float] = []

    def add(self, synthetic: np.ndarray, real: np.ndarray) -> None:
        """Takes a slice of both: float32 [n, n], unit range."""
        # Imported late: most translations have nothing to compare with, and start sooner.
        from tfcyclegan import metrics
        from tfcyclegan.data.head import head

        pair = real[np.newaxis], synthetic[np.newaxis]
        inside = head(pair[0][..., np.newaxis])
        self._errors += metrics.mse(*pair, data_range=RANGE).tolist()
        self._likeness += metrics.ssim(*pair, data_range=RANGE, mask=inside).tolist()

    def scores(self) -> dict[str, dict]:
        """Returns what metrics.json would say: PSNR of the volume, and mean SSIM of the heads."""
        error = np.mean(self._errors)
        psnr = -10 * math.log10(error) if error > 0 else math.nan
        heads = [value for value in self._likeness if math.isfinite(value)]
        return {
            "psnr_volume_unit": _score(psnr, len(self._errors), "the images are identical"),
            "ssim_head": _score(np.mean(heads) if heads else math.nan, len(heads), "no head"),
        }


def _score(value: float, slices: int, reason: str) -> dict:
    if not math.isfinite(value):
        return {"value": None, "reason": reason, "n_slices": slices}
    return {"value": float(value), "n_slices": slices}
