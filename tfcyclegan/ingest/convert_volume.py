"""One volume from files to finished records; runs in a worker and knows no TensorFlow."""

import collections
import dataclasses

import numpy as np

from tfcyclegan.imaging.dicom import silence
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest import deface, features, formats
from tfcyclegan.ingest.features import Slice
from tfcyclegan.ingest.plan import FEWEST_SLICES, Task
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.ingest.workers import begin_object
from tfcyclegan.privacy import burned_in, hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.reasons import Refusal


@dataclasses.dataclass(frozen=True)
class Converted:
    """What became of one volume.

    Attributes:
        records: Features of each slice that is kept, in order; provenance is added by the writer.
        kept: Frames that became records.
        refused: (frame, why) of the others.
        fault: Why the whole volume is refused, or None.
        warnings: Count of the parser's warnings by category.
    """

    records: list[dict]
    kept: list[Frame]
    refused: list[tuple[Frame, Fault]]
    fault: Fault | None
    warnings: collections.Counter


def convert(
    task: Task,
    objects: dict[int, tuple[InputObject, bytes]],
    settings: Settings,
    lost: dict[int, Fault],
) -> Converted:
    """Decodes, windows and resamples one volume.

    Args:
        task: The volume.
        objects: Object index to (object, stamp of the first pass), with companions.
        settings: Window, which slices are kept, and whether drawn text is looked for.
        lost: Objects that must not be opened again, and why.

    Returns:
        Records and refusals; together they name every frame of the volume.
    """
    with silence.silenced() as warnings:
        slices, refused = _decode(task.series.volume.frames, objects, lost)
        slices = _without_rivals(slices, refused)
        slices = formats.with_masks(slices, objects)
        begin_object()
        result = hygiene.isolated(_records, task, slices, settings)
    if isinstance(result, Fault):
        refused += [(item.frame, result) for item in slices]
        return Converted([], [], refused, result, warnings)
    records, dropped = result
    if task.target:
        # A slice of the new plane has voxels of every input slice, so it is of no single object.
        dropped = [] if records else [(item.frame, dropped[0][1]) for item in slices]
    refused += [(frame, Fault(reason)) for frame, reason in dropped]
    dropped_ids = {id(frame) for frame, _ in dropped}
    kept = [item.frame for item in slices if id(item.frame) not in dropped_ids]
    return Converted(records, kept, refused, None, warnings)


def _records(task: Task, slices: list[Slice], settings: Settings):
    # The text guard compares slices, so it needs several. records_of refuses shorter volumes.
    if settings.text_guard and len(slices) >= FEWEST_SLICES and _text_suspected(slices):
        raise Refusal("burned_in_suspect")
    if settings.deface_cmd and len(slices) >= FEWEST_SLICES:
        slices = deface.apply(slices, settings)
    return features.records_of(task, slices, settings)


def _text_suspected(slices: list[Slice]) -> bool:
    layout = slices[0].frame.layout
    stored = _without_padding(slices, layout.inverted)
    return bool(burned_in.found(stored, inverted=layout.inverted, floating=layout.floating))


def _without_padding(slices: list[Slice], inverted: bool) -> list[np.ndarray]:
    """Returns stored values with the background where there is padding."""
    valid = [s.stored if s.padded is None else s.stored[~s.padded] for s in slices]
    ends = [v.max() if inverted else v.min() for v in valid if v.size]
    background = (max(ends) if inverted else min(ends)) if ends else 0
    return [
        s.stored if s.padded is None else np.where(s.padded, background, s.stored) for s in slices
    ]


def probe(item: InputObject, stamp: bytes, frames: list[Frame]) -> None:
    """Decodes one object, to see whether it is the one that ends its worker."""
    with silence.silenced():
        _decode_object(item, stamp, frames)


def _decode(
    frames: tuple[Frame, ...],
    objects: dict[int, tuple[InputObject, bytes]],
    lost: dict[int, Fault],
) -> tuple[list[Slice], list[tuple[Frame, Fault]]]:
    """Decodes all frames, object by object; what fails is refused, the rest goes on."""
    frames_of_object = collections.defaultdict(list)
    for frame in frames:
        frames_of_object[frame.object_index].append(frame)
    decoded, refused = {}, []
    # In the order of the inputs, so that an archive is read in one pass.
    for index, members in sorted(frames_of_object.items()):
        begin_object()
        result = lost.get(index) or hygiene.isolated(
            _decode_object, *objects[index], members, reason="decode_error"
        )
        if isinstance(result, Fault):
            refused += [(frame, result) for frame in members]
            continue
        decoded.update({id(item.frame): item for item in result})
    return [decoded[id(frame)] for frame in frames if id(frame) in decoded], refused


def _decode_object(item: InputObject, stamp: bytes, frames: list[Frame]) -> list[Slice]:
    blob = item.read()
    # The stamp differs if something wrote to the file since the first pass or during this read.
    if item.stamp() != stamp:
        raise Refusal("changed_during_read")
    arrays = formats.decode(item, blob, frames)
    return [Slice(frame, *array) for frame, array in zip(frames, arrays, strict=True)]


def _without_rivals(slices: list[Slice], refused: list) -> list[Slice]:
    """Refuses instances that decoded with two different contents: no one knows which is right."""
    count = collections.Counter((s.frame.instance, s.frame.frame_index) for s in slices)
    unique = []
    for item in slices:
        if count[item.frame.instance, item.frame.frame_index] == 1:
            unique.append(item)
        else:
            refused.append((item.frame, Fault("duplicate_conflict")))
    return unique
