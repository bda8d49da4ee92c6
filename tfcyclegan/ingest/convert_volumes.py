"""Converts volumes in worker processes, and leaves out the objects that end their worker."""

import collections
from collections.abc import Iterator, Sequence

from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest import convert_volume
from tfcyclegan.ingest.account.journal import Outcome
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy.hygiene import Fault

Inputs = dict[int, tuple[InputObject, bytes]]
"""Object index to (object, stamp of the first pass)."""


def convert_volumes(
    tasks: Sequence[Task], inputs: Inputs, settings: Settings, workers: Workers
) -> Iterator[tuple[Task, Converted]]:
    """Yields each volume converted, in order, without the objects that end their worker."""
    arguments = (_arguments(task, inputs, settings, {}) for task in tasks)
    for task, result in zip(tasks, workers.map(convert_volume.convert, arguments), strict=True):
        if isinstance(result, Fault):
            result = _rescue(task, inputs, settings, result, workers)
        yield task, result


def outcome_of(done: Converted) -> Outcome:
    """Returns what became of a volume, without its pixels."""
    refused = [(frame.object_index, fault) for frame, fault in done.refused]
    kept = [frame.object_index for frame in done.kept]
    return Outcome(_series_reason(done), kept, refused, done.warnings)


def _series_reason(result: Converted) -> str:
    if result.fault is not None:
        return result.fault.reason
    if result.records:
        return ""
    reasons = {fault.reason for _, fault in result.refused}
    choices = ("high_risk", "below_brain", "low_foreground", "outside_slices")
    return next(reason for reason in choices if reason in reasons)


def _arguments(task: Task, inputs: Inputs, settings: Settings, lost: dict[int, Fault]) -> tuple:
    indices = {frame.object_index for frame in task.series.volume.frames}
    indices |= {n for i in indices for n in inputs[i][0].companions if n in inputs}
    return task, {i: inputs[i] for i in indices}, settings, lost


def _rescue(
    task: Task, inputs: Inputs, settings: Settings, fault: Fault, workers: Workers
) -> Converted:
    """Finds the objects that end their worker, and converts the volume without them."""
    frames = collections.defaultdict(list)
    for frame in task.series.volume.frames:
        frames[frame.object_index].append(frame)
    probes = [(*inputs[i], members) for i, members in frames.items()]
    with workers.one_more() as rescue:
        results = dict(zip(frames, rescue.map(convert_volume.probe, probes), strict=True))
        lost = {i: result for i, result in results.items() if isinstance(result, Fault)}
        arguments = _arguments(task, inputs, settings, lost)
        converted = list(rescue.map(convert_volume.convert, [arguments]))[0]
    if isinstance(converted, Fault):
        refused = [(frame, converted) for frame in task.series.volume.frames]
        return Converted([], [], refused, fault, collections.Counter())
    return converted
