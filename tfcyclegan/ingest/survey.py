"""What the objects of an input are, and what a conversion would make of them."""

import dataclasses
import os
import pathlib
import secrets
import sys
from collections.abc import Callable, Sequence

from tfcyclegan.config import IngestConfig
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.imaging.source import walk
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest import duplicates, plan, scan
from tfcyclegan.ingest.account import private_report
from tfcyclegan.ingest.account.ledger import Ledger
from tfcyclegan.ingest.plan import Plan
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy import pseudonyms
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

WORKER_MODULES = (
    "tfcyclegan.ingest.scan",
    "tfcyclegan.ingest.convert_volume",
    "tfcyclegan.ingest.duplicates",
)


Find = Callable[[IngestConfig], list[InputObject]]


def walk_input(config: IngestConfig) -> list[InputObject]:
    """Returns every file of --input.

    Raises:
        UserError: There is none (3).
    """
    objects = [dataclasses.replace(o, force=config.force) for o in walk.walk(config.input)]
    if not objects:
        raise UserError(
            "--input holds no files. Name the directory of an export.", ExitCode.NOTHING
        )
    return objects


def survey(
    objects: list[InputObject], key: Pseudonyms, workers: Workers, settings: Settings
) -> tuple[list[Scanned], Plan, Ledger]:
    """Reads every header, and decides what is converted; the account holds what is not."""
    scanned = _scan(objects, key, workers, settings)
    duplicates.tell_apart(scanned, objects, key, workers)
    planned = plan.make((f for item in scanned for f in item.frames), key, settings)
    ledger = Ledger(scanned)
    _note_plan(ledger, scanned, planned)
    return scanned, planned, ledger


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
                ExitCode.MISSING,
            )
        if not os.access(path, os.R_OK):
            raise UserError(
                f"--input: entry {number} of {len(paths)} cannot be read. Check its permissions.",
                ExitCode.MISSING,
            )


def check_paths(config: IngestConfig) -> None:
    """Checks all paths of a conversion before anything is read; messages name flags only."""
    check_input(config.input)
    out, key = pathlib.Path(config.output).resolve(), pathlib.Path(config.key_file).resolve()
    if out in key.parents:
        raise UserError(
            "--key_file must lie outside --output: whoever gets the records must not get the key.",
            ExitCode.USAGE,
        )
    if config.private_report:
        private_report.check(pathlib.Path(config.private_report), out, key)
    if out.exists() and not out.is_dir():
        raise UserError("--output must be a directory. Received: a file.", ExitCode.NOT_WRITABLE)


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
    scanned = scan.scan(objects, key, workers, settings.reading)
    return list(track(scanned, len(objects), "scan"))


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
