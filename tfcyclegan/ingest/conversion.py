"""From a plan to a finished directory: convert, write, account, and publish last."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from tfcyclegan import manifest
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import card, convert, mapping, output, qa_sheet, shards, summary
from tfcyclegan.ingest.convert import Converted
from tfcyclegan.ingest.journal import Journal, Outcome, digest_of
from tfcyclegan.ingest.ledger import Ledger, to_csv, to_jsonl
from tfcyclegan.ingest.plan import Plan, Settings, Task
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.manifest import Shard
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

NOTHING, WITH_QUARANTINE, TOO_MANY = 3, 4, 9


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


def carry_out(job: Job, *, sheets: int, strict: bool, max_bad: float, for_release: bool) -> bool:
    """Converts, then writes reports, manifest and, as the last file, the card.

    Args:
        job: What to convert, and where to.
        sheets: Contact sheets to make.
        strict: Whether a single quarantined object keeps the records from being published.
        max_bad: Largest share of quarantined objects among those that should convert.
        for_release: Whether the records are to leave the hospital, faces included.

    Returns:
        Whether nothing was quarantined.

    Raises:
        UserError: Nothing was converted (3), something was quarantined and `strict` (4), the output
            cannot be written (6), the privacy guard refused it (7), or too much was quarantined
            (9); without manifest and card nothing is published.
    """
    warnings: collections.Counter = collections.Counter()
    for item in job.scanned:
        warnings.update(item.warnings)
    written = _write_shards(job, warnings)
    _note_companions(job)
    output.remove_other_shards(job.directory, {shard.shard for shard in written})
    rows = mapping.annotated(job.ledger.series_rows(), job.settings.mapping)
    output.write(job.directory / output.SERIES, to_csv(rows))
    output.write(job.directory / output.QUARANTINE, to_jsonl(job.ledger.quarantined()))
    output.write(job.directory / output.AUDIT, to_jsonl(job.ledger.audit()))
    labels = summary.of_labels(job.objects, job.ledger)
    if not any(shard.records for shard in written):
        print(summary.of_result(job.ledger, written, job.settings) + labels, end="")
        raise UserError(
            "Nothing was converted. --output/series.csv and quarantine.jsonl give the reasons.",
            NOTHING,
        )
    _refuse_bad(job, written, strict, max_bad)
    lines = "".join(shard.to_json() + "\n" for shard in written)
    output.write(job.directory / manifest.MANIFEST, lines)
    tasks = [task for task in job.planned.tasks if job.ledger.was_converted(task.series)]
    text = card.card(
        job.settings, job.key.key_id, job.ledger, written, tasks, warnings, for_release
    )
    if sheets:
        qa_sheet.write(job.directory, written, sheets)
    output.write(job.directory / manifest.CARD, text)
    print(summary.of_result(job.ledger, written, job.settings) + labels, end="")
    return not job.ledger.quarantined()


def _refuse_bad(job: Job, written: list[Shard], strict: bool, max_bad: float) -> None:
    counts = job.ledger.objects()
    bad = sum(counts["quarantined"].values())
    share = bad / max(1, bad + counts["converted"])
    if not (strict and bad) and share <= max_bad:
        return
    print(summary.of_result(job.ledger, written, job.settings), end="")
    rule = "--strict allows none" if strict else f"--max_bad allows {max_bad:.0%}"
    raise UserError(
        f"{bad} of {bad + counts['converted']} objects are quarantined, and {rule}; nothing is"
        " published. --output/quarantine.jsonl gives the reasons. Mend the inputs, or change the"
        " flag: what is finished is kept.",
        WITH_QUARANTINE if strict else TOO_MANY,
    )


def _write_shards(job: Job, warnings: collections.Counter) -> list[Shard]:
    """Writes the shards that an interrupted conversion has not finished, and accounts for all."""
    journal = Journal(job.directory, digest_of(job.scanned))
    todo = [task for task in job.planned.tasks if task.shard not in journal.finished]
    for name, (_, outcomes) in journal.finished.items():
        members = [task for task in job.planned.tasks if task.shard == name]
        _note(job, members, outcomes, warnings)
    written = [shard for shard, _ in journal.finished.values()]
    constant = card.provenance(job.settings, job.key.key_id)
    pending = {n: home for n, home in job.planned.shards.items() if n not in journal.finished}
    stream = track(convert_volumes(job, todo), len(todo), "convert")
    for name, pairs in itertools.groupby(stream, key=lambda pair: pair[0].shard):
        shard, members, outcomes = write_shard(
            job.directory, name, pending.pop(name), pairs, constant
        )
        journal.add(shard, outcomes)
        _note(job, members, outcomes, warnings)
        written.append(shard)
    # A file of the numbered set that no volume fell into is still part of the set.
    for name, home in pending.items():
        written.append(shards.write(job.directory, name, home, []))
    return sorted(written, key=lambda shard: shard.shard)


def write_shard(
    directory: pathlib.Path,
    name: str,
    home: tuple[str, str],
    pairs: Iterable[tuple[Task, Converted]],
    constant: dict,
) -> tuple[Shard, list[Task], list[Outcome]]:
    """Writes one shard from its volumes, each as soon as it is converted.

    With `convert_volumes` this is all there is to a shard, wherever it runs.

    Args:
        directory: Output directory.
        name: File name.
        home: (split, sequence).
        pairs: The shard's volumes in the order of the plan.
        constant: Of `card.provenance`.

    Returns:
        The manifest's row, the volumes, and what became of each.
    """
    members, outcomes = [], []

    def features() -> Iterator[dict]:
        for task, done in pairs:
            members.append(task)
            outcomes.append(_outcome(done))
            for record in done.records:
                yield {**record, **constant}

    return shards.write(directory, name, home, features()), members, outcomes


def _outcome(done: Converted) -> Outcome:
    refused = [(frame.object_index, fault) for frame, fault in done.refused]
    kept = [frame.object_index for frame in done.kept]
    return Outcome(_series_reason(done), kept, refused, done.warnings)


def _note(
    job: Job, tasks: list[Task], outcomes: list[Outcome], warnings: collections.Counter
) -> None:
    """Enters what became of volumes into the account."""
    for task, outcome in zip(tasks, outcomes, strict=True):
        key = task.series.volume.key
        warnings.update(outcome.warnings)
        for index in outcome.kept:
            job.ledger.note(index, "convert", None, key)
        for index, fault in outcome.refused:
            job.ledger.note(index, "convert", fault, key)
        job.ledger.note_series(task.series, outcome.reason)


def convert_volumes(job: Job, tasks: Sequence[Task]) -> Iterator[tuple[Task, Converted]]:
    """Yields each volume converted, in order, without the objects that end their worker."""
    arguments = (_arguments(job, task, {}) for task in tasks)
    for task, result in zip(tasks, job.workers.map(convert.convert, arguments), strict=True):
        yield task, _rescue(job, task, result) if isinstance(result, Fault) else result


def _note_companions(job: Job) -> None:
    """Sound companions end where the object does that they belong to."""
    for index, item in enumerate(job.objects):
        for companion in item.companions:
            if job.scanned[companion].fault is None:
                entry = job.ledger.outcome(index)
                job.ledger.note(companion, entry.stage, entry.fault, entry.series)


def _series_reason(result: Converted) -> str:
    if result.fault is not None:
        return result.fault.reason
    if result.records:
        return ""
    reasons = {fault.reason for _, fault in result.refused}
    return "low_foreground" if "low_foreground" in reasons else "outside_slices"


def _arguments(job: Job, task: Task, lost: dict[int, Fault]) -> tuple:
    indices = {frame.object_index for frame in task.series.volume.frames}
    companions = {n for i in indices for n in job.objects[i].companions}
    indices |= {n for n in companions if job.scanned[n].fault is None}
    objects = {i: (job.objects[i], job.scanned[i].content_key) for i in indices}
    return task, objects, job.key, job.settings, lost


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
