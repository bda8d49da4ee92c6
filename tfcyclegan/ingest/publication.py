"""From a plan to a finished directory: convert, write, account, and publish last."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator

from tfcyclegan import files
from tfcyclegan.data import manifest, records
from tfcyclegan.data.manifest import Shard
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest import mapping, output, shards
from tfcyclegan.ingest.account import card, contact_sheets, summary
from tfcyclegan.ingest.account.journal import Journal, Outcome, digest_of
from tfcyclegan.ingest.account.ledger import Ledger, to_csv, to_jsonl
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.convert_volumes import Inputs, convert_volumes, outcome_of
from tfcyclegan.ingest.plan import Plan, Task
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.ingest.workers import Workers, ahead
from tfcyclegan.privacy.pseudonyms import Pseudonyms

VOLUMES_AHEAD = 8
"""Converted volumes that wait while a shard is read back: 27 MB of 25 slices each."""

Done = tuple[Shard, list[Task], list[Outcome]]
"""The manifest's row of a shard, its volumes, and what became of each."""


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


Write = Callable[[Job, dict[str, tuple[str, str]]], Iterator[Done]]
"""Converts and writes the shards of a job that a dictionary, name to (split, sequence), lists."""


Change = Callable[[Task, Converted], Converted]
"""Changes a converted volume before it is written, as a network does to its pixels."""


def carry_out(
    job: Job, write: Write, *, sheets: int, strict: bool, max_bad: float, for_release: bool
) -> bool:
    """Converts, then writes reports, manifest and, as the last file, the card.

    Args:
        job: What to convert, and where to.
        write: `write_shards`, or the one of beam.py.
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
    written = _finish_shards(job, write, warnings)
    _note_companions(job)
    output.remove_other_shards(job.directory, {shard.shard for shard in written})
    rows = mapping.annotated(job.ledger.series_rows(), job.settings.mapping)
    files.write(job.directory / output.SERIES, to_csv(rows))
    files.write(job.directory / output.QUARANTINE, to_jsonl(job.ledger.quarantined()))
    files.write(job.directory / output.AUDIT, to_jsonl(job.ledger.audit()))
    labels = summary.of_labels(job.objects, job.ledger)
    if not any(shard.records for shard in written):
        print(summary.of_result(job.ledger, written, job.settings) + labels, end="")
        raise UserError(
            "Nothing was converted. --output/series.csv and quarantine.jsonl give the reasons.",
            ExitCode.NOTHING,
        )
    _refuse_bad(job, written, strict, max_bad)
    lines = "".join(shard.to_json() + "\n" for shard in written)
    files.write(job.directory / manifest.MANIFEST, lines)
    tasks = [task for task in job.planned.tasks if job.ledger.was_converted(task.series)]
    text = card.card(
        job.settings, job.key.key_id, job.ledger, written, tasks, warnings, for_release
    )
    if sheets:
        contact_sheets.write(job.directory, written, sheets)
    files.write(job.directory / manifest.CARD, text)
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
        ExitCode.QUARANTINED if strict else ExitCode.TOO_MANY,
    )


def _finish_shards(job: Job, write: Write, warnings: collections.Counter) -> list[Shard]:
    """Writes the shards that an interrupted conversion has not finished, and accounts for all."""
    journal = Journal(job.directory, digest_of(job.scanned))
    for name, (_, outcomes) in journal.finished.items():
        members = [task for task in job.planned.tasks if task.shard == name]
        note(job, members, outcomes, warnings)
    written = [shard for shard, _ in journal.finished.values()]
    todo = {n: home for n, home in job.planned.shards.items() if n not in journal.finished}
    for shard, members, outcomes in write(job, todo):
        journal.add(shard, outcomes)
        note(job, members, outcomes, warnings)
        written.append(shard)
    return sorted(written, key=lambda shard: shard.shard)


def write_shards(
    job: Job, todo: dict[str, tuple[str, str]], change: Change | None = None
) -> Iterator[Done]:
    """Writes shards on this machine, in the order of the plan.

    Args:
        job: What to convert.
        todo: Name to (split, sequence) of the shards to write.
        change: Is done to each volume before it is written, in this process.
    """
    tasks = [task for task in job.planned.tasks if task.shard in todo]
    constant = card.provenance(job.settings, job.key.key_id)
    fields = card.whitelist(job.settings)
    stream = convert_volumes(tasks, inputs_of(job, tasks), job.settings, job.workers)
    stream = track(ahead(stream, VOLUMES_AHEAD), len(tasks), "convert")
    if change:
        stream = ((task, change(task, converted)) for task, converted in stream)
    empty = dict(todo)
    for name, pairs in itertools.groupby(stream, key=lambda pair: pair[0].shard):
        yield write_shard(job.directory, name, empty.pop(name), pairs, constant, fields)
    # A file of the numbered set that no volume fell into is still part of the set.
    for name, home in empty.items():
        yield write_shard(job.directory, name, home, [], constant, fields)


def write_shard(
    directory: pathlib.Path,
    name: str,
    home: tuple[str, str],
    pairs: Iterable[tuple[Task, Converted]],
    constant: dict,
    fields: dict[str, records.Field],
) -> Done:
    """Writes one shard from its volumes, each as soon as it is converted.

    With `convert_volumes` this does all that a shard needs, on this machine or on a runner.

    Args:
        directory: Output directory.
        name: File name.
        home: (split, sequence).
        pairs: The shard's volumes in the order of the plan.
        constant: Of `card.provenance`.
        fields: Of `card.whitelist`.
    """
    members, outcomes = [], []

    def features() -> Iterator[dict]:
        for task, converted in pairs:
            members.append(task)
            outcomes.append(outcome_of(converted))
            for record in converted.records:
                yield {**record, **constant}

    return shards.write(directory, name, home, features(), fields), members, outcomes


def note(
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


def inputs_of(job: Job, tasks: Iterable[Task]) -> Inputs:
    """Returns the objects that some volumes lie in, and sound companions of these objects."""
    indices = {frame.object_index for task in tasks for frame in task.series.volume.frames}
    companions = {n for i in indices for n in job.objects[i].companions}
    indices |= {n for n in companions if job.scanned[n].fault is None}
    return {i: (job.objects[i], job.scanned[i].stamp) for i in indices}


def _note_companions(job: Job) -> None:
    """Gives sound companions, such as masks, the outcome of the object that they belong to."""
    for index, item in enumerate(job.objects):
        for companion in item.companions:
            if job.scanned[companion].fault is None:
                entry = job.ledger.outcome(index)
                job.ledger.note(companion, entry.stage, entry.fault, entry.series)
