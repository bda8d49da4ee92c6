"""The command as a whole: load, find, scan, plan, and translate in the form of the input."""

import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable

import tfcyclegan
from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import output
from tfcyclegan.ingest import survey as ingest_survey
from tfcyclegan.ingest.account import card, summary
from tfcyclegan.ingest.publication import Job
from tfcyclegan.ingest.settings import Settings, settings_of
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.models.translators import MADE_OF
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.translation import (
    finished,
    from_records,
    inputs,
    model,
    sampled_dataset,
    studies,
    synthetic_dataset,
)
from tfcyclegan.translation.finished import Account
from tfcyclegan.translation.model import Model

Survey = Callable[[Pseudonyms], Job]
"""Plans what a key makes of the input."""


def run(config: TranslateConfig, directory: pathlib.Path) -> int:
    """Translates and returns the exit code.

    Args:
        config: What to translate, and how.
        directory: The output.

    Raises:
        UserError: The flags, the model, the key, the inputs or the output stand in the way.
    """
    ingest_survey.check_input(config.input)
    _check_output(config, directory)
    loaded = model.load(config.model, config.direction)
    records = inputs.records_in(config)
    if loaded.kind != "translator":
        check_samples(config, loaded, records)
        return sampled_dataset.run(records, directory, loaded, config)
    if config.samples:
        raise UserError("--samples means nothing to a --model that translates.", ExitCode.USAGE)
    if config.audit and loaded.back is None:
        print(
            "note: this model was not trained to come back, so a risk is what it cannot decide"
            " under a mirror, and says nothing of what is lost on the way",
            file=sys.stderr,
        )
    if records:
        return from_records.run(records, directory, loaded, config)
    settings = settings_of(config.conversion(loaded.source), {})
    settings = dataclasses.replace(settings, percentiles=loaded.percentiles)
    if config.dataset:
        generator = synthetic_dataset.generator_of(loaded, config)
        pairs = loaded.described["trained_on_pairs"]
        settings = dataclasses.replace(settings, generator=generator, generator_pairs=pairs)
    with_pages = config.report and not config.dataset
    sequences = (loaded.source, loaded.target) if with_pages else (loaded.source,)
    objects = inputs.find(config, sequences)
    limits = {"timeout_s": config.object_timeout_s, "memory_mb": config.worker_memory_mb}
    # One worker reads ahead. The cores are for the network, and so is the memory between two tasks.
    with Workers(1, thrifty=True, preload=ingest_survey.WORKER_MODULES, **limits) as workers:
        if config.dry_run:
            _, planned, ledger = ingest_survey.survey(
                objects, _key(config, None), workers, settings
            )
            print(summary.of_plan(planned, ledger) + summary.of_labels(objects, ledger), end="")
            return ExitCode.DONE if planned.tasks else ExitCode.NOTHING

        def survey(key: Pseudonyms) -> Job:
            surveyed = ingest_survey.survey(objects, key, workers, settings)
            return Job(directory, objects, *surveyed, key, settings, workers)

        if config.dataset:
            return _dataset(config, survey, loaded, settings, directory)
        return _studies(config, survey, loaded, settings, directory)


def check_samples(config: TranslateConfig, loaded: Model, records: pathlib.Path | None) -> None:
    """Raises UserError unless a model without a source is asked for records of samples."""
    if config.dataset and records:
        return
    raise UserError(
        f"--model is a {loaded.title}, which makes images of {MADE_OF[loaded.kind]} and translates"
        " none."
        " Take an export of a model that translates; or give --dataset, and converted records as"
        " --input, for records of samples to stand beside them.",
        ExitCode.USAGE,
    )


def _dataset(
    config: TranslateConfig,
    survey: Survey,
    loaded: Model,
    settings: Settings,
    directory: pathlib.Path,
) -> int:
    """Writes records; the directory is one of the converter's, and obeys its rules."""
    if not config.key_file:
        raise UserError(
            "--dataset needs --key_file, so that its patients are those of the real records: give"
            " the key that they were converted with.",
            ExitCode.USAGE,
        )
    key = ingest_survey.key_of(config)
    identity = {"config_hash": card.config_hash(settings), "key_id": key.key_id}
    with output.claimed(directory, identity):
        return synthetic_dataset.convert(survey(key), loaded, config)


def _studies(
    config: TranslateConfig,
    survey: Survey,
    loaded: Model,
    settings: Settings,
    directory: pathlib.Path,
) -> int:
    """Writes series or volumes."""
    with files.locked(directory):
        key = _key(config, directory)
        books = Account(directory, _identity(settings, config, loaded, key))
        result = studies.translate(survey(key), loaded, config, books)
        (directory / finished.KEY).unlink(missing_ok=True)
        return result


def _identity(settings: Settings, config: TranslateConfig, loaded: Model, key: Pseudonyms) -> dict:
    """Returns what a translation and its continuation have in common."""
    return {
        "version": tfcyclegan.__version__,
        "model": loaded.digest,
        "source": loaded.source,
        "target": loaded.target,
        "config_hash": card.config_hash(settings),
        "options": config.in_outputs(),
        "key_id": key.key_id,
        "notice": "Synthetic images. Lesions can be lost or invented. Not for diagnosis.",
    }


def _key(config: TranslateConfig, directory: pathlib.Path | None) -> Pseudonyms:
    if config.key_file:
        return ingest_survey.key_of(config)
    if directory is None:  # a dry run, whose ids nobody meets again
        return Pseudonyms(os.urandom(32))
    return finished.fresh_key(directory)


def _check_output(config: TranslateConfig, directory: pathlib.Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise UserError("--output must be a directory. Received: a file.", ExitCode.NOT_WRITABLE)
    if config.key_file and directory.resolve() in pathlib.Path(config.key_file).resolve().parents:
        raise UserError("--key_file must lie outside --output.", ExitCode.USAGE)
