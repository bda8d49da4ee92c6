"""From a plan to a finished directory: convert, write, account, and publish last."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator

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


def carry_out(job: Job, *, sheets: int, for_release: bool) -> bool:
    """Converts, then writes reports, manifest and, as the last file, the card.

    Args:
        job: What to convert, and where to.
        sheets: Contact sheets to make.
        for_release: Whether the records are to leave the hospital, faces included.

    Returns:
        Whether nothing was quarantined.

    Raises:
        UserError: Nothing was converted (3), the output cannot be written (6), or the privacy guard
            refused it (7).
    """
    warnings: collections.Counter = collections.Counter()
    for item in job.scanned:
        warnings.update(item.warnings)
    written = list(_write_shards(job, warnings))
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
    text = card.card(
        job.settings, job.key.key_id, job.ledger, written, tasks, warnings, for_release
    )
    if sheets:
        qa_sheet.write(job.directory, written, sheets)
    output.write(job.directory / manifest.CARD, text)
    print(summary.of_result(job.ledger, written, job.settings), end="")
    return not job.ledger.quarantined()


def _write_shards(job: Job, warnings: collections.Counter) -> Iterator[Shard]:
    """Writes the shards in the order of their names, each volume as soon as it is converted."""
    stream = track(_convert(job, warnings), len(job.planned.tasks), "convert")
    by_shard = itertools.groupby(stream, key=lambda pair: pair[0].shard)
    constant = card.provenance(job.settings, job.key.key_id)
    pending = dict(job.planned.shards)
    for name, pairs in by_shard:
        features = ({**record, **constant} for _, done in pairs for record in done.records)
        yield shards.write(job.directory, name, pending.pop(name), features)
    # A file of the numbered set that no volume fell into is still part of the set.
    for name, home in pending.items():
        yield shards.write(job.directory, name, home, [])


def _convert(job: Job, warnings: collections.Counter) -> Iterator[tuple[Task, Converted]]:
    tasks = job.planned.tasks
    arguments = [_arguments(job, task, {}) for task in tasks]
    for task, result in zip(tasks, job.workers.map(convert.convert, arguments), strict=True):
        if isinstance(result, Fault):
            result = _rescue(job, task, result)
        warnings.update(result.warnings)
        for frame in result.kept:
            job.ledger.note(frame.object_index, "convert", None, task.series.volume.key)
        for frame, fault in result.refused:
            job.ledger.note(frame.object_index, "convert", fault, task.series.volume.key)
        job.ledger.note_series(task.series, _series_reason(result))
        yield task, result


def _series_reason(result: Converted) -> str:
    if result.fault is not None:
        return result.fault.reason
    return "" if result.records else "low_foreground"


def _arguments(job: Job, task: Task, lost: dict[int, Fault]) -> tuple:
    indices = {frame.object_index for frame in task.series.volume.frames}
    objects = {i: (job.objects[i], job.scanned[i].content_key) for i in indices}
    settings = job.settings
    return task, objects, job.key, settings.min_foreground, lost, settings.text_guard


def _rescue(job: Job, task: Task, fault: Fault) -> Converted:
    """Finds the objects that end their worker, and converts the volume without them."""
    _, objects, *_ = _arguments(job, task, {})
    frames = collections.defaultdict(list)
    for frame in task.series.volume.frames:
        frames[frame.object_index].append(frame)
    probes = [(*objects[i], job.key, members) for i, members in frames.items()]
    with job.workers.one_more() as rescue:
        found = dict(zip(frames, rescue.map(convert.probe, probes), strict=True))
        lost = {i: result for i, result in found.items() if isinstance(result, Fault)}
        again = list(rescue.map(convert.convert, [_arguments(job, task, lost)]))[0]
    if isinstance(again, Fault):
        refused = [(frame, again) for frame in task.series.volume.frames]
        return Converted([], [], refused, fault, collections.Counter())
    return again
