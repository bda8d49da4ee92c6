"""The command as a whole: check, walk, scan, plan, and convert."""

import dataclasses
import os
import pathlib
import secrets
import sys
from collections.abc import Callable, Sequence

from tfcyclegan.config import IngestConfig
from tfcyclegan.dicom import source
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import (
    card,
    containment,
    conversion,
    copies,
    mapping,
    output,
    plan,
    private_report,
    scan,
    summary,
)
from tfcyclegan.ingest.conversion import Job
from tfcyclegan.ingest.ledger import Ledger, to_csv
from tfcyclegan.ingest.plan import Plan
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.settings import Settings, settings_of
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy import pseudonyms
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

DONE, USAGE, NOTHING, WITH_QUARANTINE, MISSING = 0, 2, 3, 4, 5
"""Exit codes; the others stand with what raises them: containment.py, output.py, privacy/guard.py,
conversion.py.
"""


WORKER_MODULES = (
    "tfcyclegan.ingest.scan",
    "tfcyclegan.ingest.convert",
    "tfcyclegan.ingest.copies",
)


Find = Callable[[IngestConfig], list[InputObject]]


def walk_input(config: IngestConfig) -> list[InputObject]:
    """Returns every file of --input.

    Raises:
        UserError: There is none (3).
    """
    objects = [dataclasses.replace(o, force=config.force) for o in source.walk(config.input)]
    if not objects:
        raise UserError("--input holds no files. Name the directory of an export.", NOTHING)
    return objects


def run(config: IngestConfig, find: Find = walk_input) -> int:
    """Converts studies to shards and returns the exit code (docs/ingestion.md).

    Args:
        config: What to convert, and how.
        find: Lists the inputs.

    Raises:
        UserError: The flags, the key, the inputs or the output stand in the way; or the program
            failed, in which case the message names its own code line and nothing of the data.
    """
    return containment.contained(_run, config, find)


def _run(config: IngestConfig, find: Find) -> int:
    classes = mapping.read(config.mapping)
    settings = settings_of(config, classes)
    _check_paths(config)
    objects = find(config)
    key = key_of(config)
    if config.for_release:
        print(f"warning: {card.FACE_RISK}", file=sys.stderr)
    limits = {"timeout_s": config.object_timeout_s, "memory_mb": config.worker_memory_mb}
    write = _write(config, limits)
    with Workers(config.workers, preload=WORKER_MODULES, **limits) as workers:
        scanned, planned, ledger = survey(objects, key, workers, settings)
        refused = (row["series_key"] for row in ledger.series_rows())
        mapping.check(classes, (*refused, *(item.volume.key for item in planned.series)))
        if config.dry_run:
            print(summary.of_plan(planned, ledger) + summary.of_labels(objects, ledger), end="")
            _propose(config, planned, ledger, settings)
            return DONE if planned.tasks else NOTHING
        directory = pathlib.Path(config.output)
        identity = {"config_hash": card.config_hash(settings), "key_id": key.key_id}
        with output.claimed(directory, identity):
            job = Job(directory, objects, scanned, planned, ledger, key, settings, workers)
            if config.private_report:
                private_report.write(pathlib.Path(config.private_report), objects, scanned, workers)
            done = conversion.carry_out(
                job,
                write,
                sheets=config.qa_sheet,
                strict=config.strict,
                max_bad=config.max_bad,
                for_release=config.for_release,
            )
            return DONE if done else WITH_QUARANTINE


def survey(
    objects: list[InputObject], key: Pseudonyms, workers: Workers, settings: Settings
) -> tuple[list[Scanned], Plan, Ledger]:
    """Reads every header, and decides what is converted; the account holds what is not."""
    scanned = _scan(objects, key, workers, settings)
    copies.tell_apart(scanned, objects, key, workers)
    planned = plan.make((f for item in scanned for f in item.frames), key, settings)
    ledger = Ledger(scanned)
    _note_plan(ledger, scanned, planned)
    return scanned, planned, ledger


def _propose(config: IngestConfig, planned: Plan, ledger: Ledger, settings: Settings) -> None:
    """Writes the form for --mapping, where that disturbs nothing: pixels are not needed for it."""
    directory = pathlib.Path(config.output)
    if not pathlib.Path(config.key_file).exists():
        return  # its series would be called otherwise next time
    if directory.exists() and any(path.name != output.SERIES for path in directory.iterdir()):
        print(f"note: --output is in use, so {output.SERIES} was not written", file=sys.stderr)
        return
    for task in planned.tasks:
        ledger.note_series(task.series, "")
    rows = mapping.annotated(ledger.series_rows(), settings.mapping)
    output.write_first(directory / output.SERIES, to_csv(rows))


def _write(config: IngestConfig, limits: dict) -> conversion.Write:
    if not config.runner:
        return conversion.write_shards
    from tfcyclegan.ingest import beam  # an optional dependency that takes a second to import

    return beam.writer(config.runner, config.runner_options, limits)


def check_input(paths: Sequence[str]) -> None:
    """Checks --input; paths may hold identifiers, so messages name the place in its list.

    Raises:
        UserError: An entry is missing or unreadable (5).
    """
    for number, path in enumerate(paths, 1):
        if path == "@-":
            continue
        path = path.removeprefix("@")
        if not os.path.exists(path):
            raise UserError(
                f"--input: entry {number} of {len(paths)} does not exist. Check the path.",
                MISSING,
            )
        if not os.access(path, os.R_OK):
            raise UserError(
                f"--input: entry {number} of {len(paths)} cannot be read. Check its permissions.",
                MISSING,
            )


def _check_paths(config: IngestConfig) -> None:
    check_input(config.input)
    out, key = pathlib.Path(config.output).resolve(), pathlib.Path(config.key_file).resolve()
    if out in key.parents:
        raise UserError(
            "--key_file must lie outside --output: whoever gets the records must not get the key.",
            USAGE,
        )
    if config.private_report:
        private_report.check(pathlib.Path(config.private_report), out, key)
    if out.exists() and not out.is_dir():
        raise UserError("--output must be a directory. Received: a file.", output.NOT_WRITABLE)


def key_of(config: IngestConfig) -> Pseudonyms:
    """Returns the pseudonyms of --key_file, which is made where it does not exist."""
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
    found = scan.scan(
        objects,
        key,
        workers,
        allow_derived=settings.allow_derived,
        keep_dwi="dwi" in settings.keep_sequences,
        lone_studies=settings.missing_patient == "study",
        with_demographics=settings.with_demographics,
    )
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
