"""The command as a whole: check, walk, scan, plan, and convert."""

import contextlib
import dataclasses
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from tfcyclegan import files
from tfcyclegan.config import IngestConfig
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import clean_exit, mapping, output, publication
from tfcyclegan.ingest.account import card, private_report, summary
from tfcyclegan.ingest.account.ledger import Ledger, to_csv
from tfcyclegan.ingest.plan import Plan
from tfcyclegan.ingest.publication import Job
from tfcyclegan.ingest.settings import Settings, settings_of
from tfcyclegan.ingest.survey import WORKER_MODULES, Find, check_paths, key_of, survey, walk_input
from tfcyclegan.ingest.workers import Workers


def run(config: IngestConfig, find: Find = walk_input) -> int:
    """Converts studies to shards and returns the exit code (docs/ingestion.md).

    Args:
        config: What to convert, and how.
        find: Lists the inputs.

    Raises:
        UserError: The flags, the key, the inputs or the output stand in the way; or the program
            failed, in which case the message names its own code line and nothing of the data.
    """
    return clean_exit.contained(_run, config, find)


def _run(config: IngestConfig, find: Find) -> int:
    classes = mapping.read(config.mapping)
    settings = settings_of(config, classes)
    check_paths(config)
    objects = find(config)
    key = key_of(config)
    if config.for_release:
        print(f"warning: {card.face_risk(settings)}", file=sys.stderr)
    limits = {"timeout_s": config.object_timeout_s, "memory_mb": config.worker_memory_mb}
    write = _write(config, limits)
    workers = Workers(config.workers, preload=WORKER_MODULES, **limits)
    with _with_folder(settings) as settings, workers:
        scanned, planned, ledger = survey(objects, key, workers, settings)
        refused = (row["series_key"] for row in ledger.series_rows())
        mapping.check(classes, (*refused, *(item.volume.key for item in planned.series)))
        if config.dry_run:
            print(summary.of_plan(planned, ledger) + summary.of_labels(objects, ledger), end="")
            _propose(config, planned, ledger, settings)
            return ExitCode.DONE if planned.tasks else ExitCode.NOTHING
        directory = pathlib.Path(config.output)
        identity = {"config_hash": card.config_hash(settings), "key_id": key.key_id}
        with output.claimed(directory, identity):
            job = Job(directory, objects, scanned, planned, ledger, key, settings, workers)
            if config.private_report:
                private_report.write(pathlib.Path(config.private_report), objects, scanned, workers)
            clean = publication.carry_out(
                job,
                write,
                sheets=config.qa_sheet,
                strict=config.strict,
                max_bad=config.max_bad,
                for_release=config.for_release,
            )
            return ExitCode.DONE if clean else ExitCode.QUARANTINED


@contextlib.contextmanager
def _with_folder(settings: Settings) -> Iterator[Settings]:
    """Gives --deface_cmd a private directory, which goes once the workers have ended."""
    if not settings.deface_cmd:
        yield settings
        return
    if shutil.which(settings.deface_cmd[0]) is None:
        raise UserError(
            "--deface_cmd: its program is not found, or may not be run.", ExitCode.USAGE
        )
    with tempfile.TemporaryDirectory(prefix="deface-", ignore_cleanup_errors=True) as folder:
        yield dataclasses.replace(settings, deface_folder=folder)


def _propose(config: IngestConfig, planned: Plan, ledger: Ledger, settings: Settings) -> None:
    """Writes the form for --mapping, unless that would disturb an earlier output."""
    directory = pathlib.Path(config.output)
    if not pathlib.Path(config.key_file).exists():
        return  # the next run makes a key of its own, under which the series have other names
    if directory.exists() and any(path.name != output.SERIES for path in directory.iterdir()):
        print(f"note: --output is in use, so {output.SERIES} was not written", file=sys.stderr)
        return
    for task in planned.tasks:
        ledger.note_series(task.series, "")
    rows = mapping.annotated(ledger.series_rows(), settings.mapping)
    with files.explained("--output"):
        directory.mkdir(parents=True, exist_ok=True)
    files.write(directory / output.SERIES, to_csv(rows))


def _write(config: IngestConfig, limits: dict) -> publication.Write:
    if not config.runner:
        return publication.write_shards
    from tfcyclegan.ingest import beam  # an optional dependency that takes a second to import

    return beam.writer(config.runner, config.runner_options, limits)
