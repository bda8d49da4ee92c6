"""From a plan to a finished directory: convert, write, account, and publish last."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from tfcyclegan import manifest
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import card, convert, output, qa_sheet, shards, summary
from tfcyclegan.ingest.convert import Converted
from tfcyclegan.ingest.ledger import Ledger, to_csv, to_jsonl
from tfcyclegan.ingest.plan import Plan, Settings, Task
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.manifest import Shard
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

NOTHING = 3

Inputs = dict[int, tuple[InputObject, bytes]]
"""Object index to (object, stamp of the first pass)."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A planned conversion into a claimed directory."""

    directory: pathlib.Path
    objects: list[InputObject]
    scanned: list[Scanned]
    planned: Plan
    ledger: Ledger
    key: Pseudonyms
    settings: Settings
    workers: Workers


Writer = Callable[[Job, collections.Counter], Iterator[Shard]]
"""Writes all shards of a job, enters every outcome, adds up the warnings, and yields the rows."""


def carry_out(job: Job, *, sheets: int, write: Writer) -> bool:
    """Converts, then writes reports, manifest and, as the last file, the card.

    Args:
        job: What to convert, and where to.
        sheets: Contact sheets to make.
        write: Converts and writes the shards: `write_shards`, or the one of beam.py.

    Returns:
        Whether nothing was quarantined.

    Raises:
        UserError: Nothing was converted (3), the output cannot be written (6), or the privacy guard
            refused it (7).
    """
    warnings: collections.Counter = collections.Counter()
    for item in job.scanned:
        warnings.update(item.warnings)
    written = list(write(job, warnings))
    output.remove_other_shards(job.directory, {shard.shard for shard in written})
    output.write(job.directory / output.SERIES, to_csv(job.ledger.series_rows()))
    output.write(job.directory / output.QUARANTINE, to_jsonl(job.ledger.quarantined()))
    output.write(job.directory / output.AUDIT, to_jsonl(job.ledger.audit()))
    if not any(shard.records for shard in written):
        print(summary.of_result(job.ledger, written, job.settings), end="")
        raise UserError(
            "Nothing was converted. --output/series.csv and quarantine.jsonl give the reasons.",
            NOTHING,
        )
    lines = "".join(shard.to_json() + "\n" for shard in written)
    output.write(job.directory / manifest.MANIFEST, lines)
    tasks = [task for task in job.planned.tasks if job.ledger.was_converted(task.series)]
    text = card.card(job.settings, job.key.key_id, job.ledger, written, tasks, warnings)
    if sheets:
        qa_sheet.write(job.directory, written, sheets)
    output.write(job.directory / manifest.CARD, text)
    print(summary.of_result(job.ledger, written, job.settings), end="")
    return not job.ledger.quarantined()


def write_shards(job: Job, warnings: collections.Counter) -> Iterator[Shard]:
    """Writes the shards in the order of their names, each volume as soon as it is converted."""
    inputs = inputs_of(job, job.planned.tasks)
    stream = converted(job.planned.tasks, inputs, job.settings.min_foreground, job.workers)
    stream = track(_noted(job, stream, warnings), len(job.planned.tasks), "convert")
    by_shard = itertools.groupby(stream, key=lambda pair: pair[0].shard)
    constant = card.provenance(job.settings, job.key.key_id)
    pending = dict(job.planned.shards)
    for name, pairs in by_shard:
        features = complete((result for _, result in pairs), constant)
        yield shards.write(job.directory, name, pending.pop(name), features)
    # A file of the numbered set that no volume fell into is still part of the set.
    for name, home in pending.items():
        yield shards.write(job.directory, name, home, [])


def complete(results: Iterable[Converted], constant: dict) -> Iterator[dict]:
    """Yields the records of volumes with the features that all records share."""
    return ({**record, **constant} for result in results for record in result.records)


def inputs_of(job: Job, tasks: Iterable[Task]) -> Inputs:
    """Returns the objects that some tasks read."""
    indices = {frame.object_index for task in tasks for frame in task.series.volume.frames}
    return {i: (job.objects[i], job.scanned[i].stamp) for i in indices}


def converted(
    tasks: Sequence[Task], inputs: Inputs, min_foreground: float, workers: Workers
) -> Iterator[tuple[Task, Converted]]:
    """Yields what became of each volume, in order, whatever its objects do to their worker."""
    arguments = (_arguments(task, inputs, min_foreground, {}) for task in tasks)
    for task, result in zip(tasks, workers.map(convert.convert, arguments), strict=True):
        if isinstance(result, Fault):
            result = _rescue(task, inputs, min_foreground, result, workers)
        yield task, result


def note(ledger: Ledger, task: Task, result: Converted) -> None:
    """Enters the outcome of a volume and of its objects."""
    for frame in result.kept:
        ledger.note(frame.object_index, "convert", None, task.series.volume.key)
    for frame, fault in result.refused:
        ledger.note(frame.object_index, "convert", fault, task.series.volume.key)
    ledger.note_series(task.series, _series_reason(result))


def _noted(job: Job, stream: Iterator, warnings: collections.Counter) -> Iterator:
    for task, result in stream:
        warnings.update(result.warnings)
        note(job.ledger, task, result)
        yield task, result


def _series_reason(result: Converted) -> str:
    if result.fault is not None:
        return result.fault.reason
    return "" if result.records else "low_foreground"


def _arguments(task: Task, inputs: Inputs, min_foreground: float, lost: dict[int, Fault]) -> tuple:
    mine = {frame.object_index for frame in task.series.volume.frames}
    return task, {i: inputs[i] for i in mine}, min_foreground, lost


def _rescue(
    task: Task, inputs: Inputs, min_foreground: float, fault: Fault, workers: Workers
) -> Converted:
    """Finds the objects that end their worker, and converts the volume without them."""
    frames = collections.defaultdict(list)
    for frame in task.series.volume.frames:
        frames[frame.object_index].append(frame)
    probes = [(*inputs[i], members) for i, members in frames.items()]
    with workers.one_more() as rescue:
        found = dict(zip(frames, rescue.map(convert.probe, probes), strict=True))
        lost = {i: result for i, result in found.items() if isinstance(result, Fault)}
        arguments = _arguments(task, inputs, min_foreground, lost)
        again = list(rescue.map(convert.convert, [arguments]))[0]
    if isinstance(again, Fault):
        refused = [(frame, again) for frame in task.series.volume.frames]
        return Converted([], [], refused, fault, collections.Counter())
    return again
