"""The conversion as a whole: walk, scan, plan, convert, write, account."""

import collections
import dataclasses
import itertools
import os
import pathlib
import secrets
import sys
from collections.abc import Iterator

from tfcyclegan import manifest
from tfcyclegan.config import IngestConfig
from tfcyclegan.dicom import source
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import card, convert, output, plan, qa_sheet, scan, shards, summary
from tfcyclegan.ingest.convert import Converted
from tfcyclegan.ingest.ledger import Ledger, to_csv, to_jsonl
from tfcyclegan.ingest.plan import Plan, Settings, Task
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.manifest import Shard
from tfcyclegan.privacy import hygiene, pseudonyms
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

DONE, INTERNAL, USAGE, NOTHING, WITH_QUARANTINE, MISSING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def run(config: IngestConfig) -> int:
    """Converts studies to shards and returns the exit code (docs/ingestion.md).

    Raises:
        UserError: The flags, the key, the inputs or the output stand in the way; or the program
            failed, in which case the message names its own code line and nothing of the data.
    """
    hygiene.forbid_core_dumps()
    try:
        result = hygiene.isolated(_guarded, config)
    except KeyboardInterrupt:
        raise UserError("Interrupted; nothing unfinished was left behind.", INTERRUPTED) from None
    if isinstance(result, Fault):
        raise UserError(
            f"The converter failed: {result.error} at {result.location}. Nothing of the input is"
            " shown; please report this line.",
            INTERNAL,
        )
    if isinstance(result, UserError):
        raise result
    return result


def _guarded(config: IngestConfig) -> int | UserError:
    try:
        return _run(config)
    except UserError as error:
        # Without its cause: that may be an exception that quotes a path.
        return UserError(str(error), error.exit_code)


def _run(config: IngestConfig) -> int:
    settings = settings_of(config)
    _check_paths(config)
    key = _key(config)
    objects = list(source.walk(config.input))
    if not objects:
        raise UserError("--input holds no files. Name the directory of an export.", NOTHING)
    with Workers(config.workers) as workers:
        scanned = _scan(objects, key, workers, settings)
        planned = plan.make((f for item in scanned for f in item.frames), key, settings)
        ledger = Ledger(scanned)
        _note_plan(ledger, scanned, planned)
        if config.dry_run:
            print(summary.of_plan(planned, ledger), end="")
            return DONE if planned.tasks else NOTHING
        directory = pathlib.Path(config.output)
        identity = {"config_hash": card.config_hash(settings), "key_id": key.key_id}
        with output.claimed(directory, identity):
            job = _Job(directory, objects, scanned, planned, ledger, key, settings, workers)
            return _finish(job, config)


@dataclasses.dataclass(frozen=True)
class _Job:
    """A planned conversion into a claimed directory."""

    directory: pathlib.Path
    objects: list[InputObject]
    scanned: list[Scanned]
    planned: Plan
    ledger: Ledger
    key: Pseudonyms
    settings: Settings
    workers: Workers


def settings_of(config: IngestConfig) -> Settings:
    """Returns what of the flags decides the content of the records."""
    shares = (part.partition(":") for part in config.splits)
    return Settings(
        name=config.name,
        splits=tuple((name, float(share)) for name, _, share in shares),
        plane=config.plane,
        monochrome1=config.monochrome1,
        allow_derived=config.allow_derived,
        min_foreground=config.min_foreground,
        shard_bytes=config.shard_bytes,
    )


def _check_paths(config: IngestConfig) -> None:
    """Paths may hold identifiers, so messages name the flag and the place in its list."""
    for number, path in enumerate(config.input, 1):
        if not os.path.exists(path):
            raise UserError(
                f"--input: entry {number} of {len(config.input)} does not exist. Check the path.",
                MISSING,
            )
        if not os.access(path, os.R_OK):
            raise UserError(
                f"--input: entry {number} of {len(config.input)} cannot be read. Check its"
                " permissions.",
                MISSING,
            )
    out, key = pathlib.Path(config.output).resolve(), pathlib.Path(config.key_file).resolve()
    if out in key.parents:
        raise UserError(
            "--key_file must lie outside --output: whoever gets the records must not get the key.",
            USAGE,
        )
    if out.exists() and not out.is_dir():
        raise UserError("--output must be a directory. Received: a file.", output.NOT_WRITABLE)


def _key(config: IngestConfig) -> Pseudonyms:
    path = pathlib.Path(config.key_file)
    if path.exists():
        return Pseudonyms(pseudonyms.read_key(path))
    if config.dry_run:
        print("note: --key_file does not exist yet, so ids and splits will differ", file=sys.stderr)
        return Pseudonyms(secrets.token_bytes(pseudonyms.KEY_BYTES))
    key = Pseudonyms(pseudonyms.make_key(path))
    print(f"warning: made a new key {key.key_id} for --key_file; keep it secret", file=sys.stderr)
    return key


def _scan(
    objects: list[InputObject], key: Pseudonyms, workers: Workers, settings: Settings
) -> list[Scanned]:
    found = scan.scan(objects, key, workers, allow_derived=settings.allow_derived)
    return list(track(found, len(objects), "scan"))


def _note_plan(ledger: Ledger, scanned: list[Scanned], planned: Plan) -> None:
    for index, item in enumerate(scanned):
        if item.fault is not None:
            ledger.note(index, "scan", item.fault)
    for frame, reason in planned.refused:
        ledger.note(frame.object_index, "plan", Fault(reason), frame.series)
    for item in planned.series:
        if item.reason:
            ledger.note_series(item, item.reason)
            for frame in item.volume.frames:
                ledger.note(frame.object_index, "plan", Fault(item.reason), item.volume.key)


def _finish(job: _Job, config: IngestConfig) -> int:
    """Converts, then writes reports, manifest and, as the last file, the card."""
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
    text = card.card(job.settings, job.key.key_id, job.ledger, written, tasks, warnings)
    if config.qa_sheet:
        qa_sheet.write(job.directory, written, config.qa_sheet)
    output.write(job.directory / manifest.CARD, text)
    print(summary.of_result(job.ledger, written, job.settings), end="")
    return WITH_QUARANTINE if job.ledger.quarantined() else DONE


def _write_shards(job: _Job, warnings: collections.Counter) -> Iterator[Shard]:
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


def _convert(job: _Job, warnings: collections.Counter) -> Iterator[tuple[Task, Converted]]:
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


def _arguments(job: _Job, task: Task, lost: dict[int, Fault]) -> tuple:
    indices = {frame.object_index for frame in task.series.volume.frames}
    objects = {i: (job.objects[i], job.scanned[i].content_key) for i in indices}
    return task, objects, job.key, job.settings.min_foreground, lost


def _rescue(job: _Job, task: Task, fault: Fault) -> Converted:
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
