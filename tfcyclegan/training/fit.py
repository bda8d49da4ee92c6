"""The epochs of a run: from the position that a checkpoint holds to the end."""

import contextlib
import functools
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import training_batches
from tfcyclegan.data.intensity import stored_to_unit
from tfcyclegan.data.labelled_batches import labelled_batches
from tfcyclegan.data.paired_batches import paired_batches
from tfcyclegan.data.slices import as_it_is
from tfcyclegan.data.training_slices import TrainingSlices
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.step.nonfinite import Diverged
from tfcyclegan.models.step.replicas import on_workers
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.training.callbacks.order import MAX_SKIPPED_STEPS, make_callbacks, make_validation
from tfcyclegan.training.distribution.collectives import check_agreement
from tfcyclegan.training.distribution.replica_state import local_values
from tfcyclegan.training.distribution.strategies import is_chief
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.rundir.workdir import record
from tfcyclegan.training.stop_request import StopRequest

KEPT_CHECKPOINTS = 3
"""Ends of epochs."""
RATE_AFTER_TROUBLE = 0.5
MEASURED = 64
"""Slices of each domain that a model may measure before its first step."""


def fit(
    config: TrainConfig,
    model: TranslationModel,
    trained: TrainingSlices,
    validated: ValidationSlices,
    steps: int,
) -> None:
    """Runs what is left of the run, and turns back once if it diverges."""
    strategy = model.distribute_strategy
    checkpoints = RunCheckpoints(config.workdir, model, KEPT_CHECKPOINTS, keeps=is_chief(strategy))
    start = checkpoints.restore()
    check_agreement(strategy, {"the newest checkpoint in --workdir": str(start)})
    if start is None:
        start = Position()
        prepare(config, model, trained)
        checkpoints.save(start)
    else:
        print(f"continue after {start} of {config.epochs}", flush=True)
    validation = make_validation(config, model, validated, steps)
    stop = StopRequest()
    # Workers would have to agree on the step: a signal ends them, and an epoch is repeated.
    with contextlib.nullcontext() if on_workers(strategy) else stop:
        while start.epoch < config.epochs:
            done = start.epoch * steps + start.step
            batches = batches_from(config, model, trained, done)
            watching = make_callbacks(
                config, model, checkpoints, validation, validated, start, stop, steps
            )
            try:
                start = fit_from(start, config, model, batches, steps, watching)
            except Diverged as trouble:
                start = turn_back(config, model, checkpoints, trouble)
    # Nobody leaves while another still works: its departure would count as a loss.
    check_agreement(strategy, {"the end of the run": "reached"})


def prepare(config: TrainConfig, model: TranslationModel, trained: TrainingSlices) -> None:
    """Lets a new model measure what it has to know of its data, and run.json say what that is."""
    real = {"a": trained.a.images, "b": trained.b.images}
    model.prepare(
        {
            domain: stored_to_unit(images[:MEASURED, ..., np.newaxis].astype(np.float32))
            for domain, images in real.items()
        }
    )
    if model.compared_by and is_chief(model.distribute_strategy):
        record(pathlib.Path(config.workdir), "compared_by", model.compared_by)


def batches_from(
    config: TrainConfig, model: TranslationModel, trained: TrainingSlices, step: int
) -> tf.data.Dataset:
    """Returns the run's training batches, that of `step` first."""
    return model.distribute_strategy.distribute_datasets_from_function(
        functools.partial(_share, config, model, trained, step)
    )


def _share(
    config: TrainConfig,
    model: TranslationModel,
    trained: TrainingSlices,
    step: int,
    context: tf.distribute.InputContext,
) -> tf.data.Dataset:
    """Returns the batches of one worker: unpaired slices, and after them pairs if there are any."""
    common = {
        "batch_size": config.batch_size,
        "first_step": step,
        "seed": config.seed,
        "augmentation": augmentation_of(config),
        "context": context,
    }
    if model.data_kind == "labelled_pairs":
        return labelled_batches(trained.pairs, trained.labels, **common)
    if model.data_kind == "paired":
        details = model.batch_details
        return paired_batches(
            trained.pairs,
            positions=details["positions"],
            pairs_per_example=details["images_per_example"],
            **common,
        )
    unpaired = training_batches(
        trained.a,
        trained.b,
        match_slice_position=config.match_slice_position,
        **common,
        **model.batch_details,
    )
    if trained.pairs is None or not model.learns_from_pairs:
        return unpaired
    pairs = config.pairs_per_example * config.pair_updates
    paired = paired_batches(trained.pairs, pairs_per_example=pairs, **common)
    both = tf.data.Dataset.zip(unpaired, paired)
    return both.map(as_it_is(lambda slices, pairs: (*slices, *pairs)))


def augmentation_of(config: TrainConfig) -> Augmentation:
    """Returns the augmentation that the flags describe."""
    return Augmentation(
        flips=config.flips,
        rotations=tuple(float(angle) for angle in config.rotations),
        brightness=config.brightness,
        contrast=config.contrast,
        enlarge_crop=config.enlarge_crop,
    )


def fit_from(
    start: Position,
    config: TrainConfig,
    model: TranslationModel,
    batches: tf.data.Dataset,
    steps: int,
    watching: list[keras.callbacks.Callback],
) -> Position:
    """Fits from the end of an epoch to the end of the run, or from within an epoch to its end.

    Keras gives all epochs of a fit one length, so the rest of an epoch is a fit of its own.

    Returns:
        The position afterwards.
    """
    last = start.epoch + 1 if start.step else config.epochs
    try:
        model.fit(
            batches,
            epochs=last,
            initial_epoch=start.epoch,
            steps_per_epoch=max(1, steps - start.step),
            shuffle=False,
            verbose=0,
            callbacks=watching,
        )
    except OSError as error:
        raise UserError(
            f"--workdir {config.workdir} cannot be written: {error.strerror}. The checkpoints are"
            " intact: free space or permit writing, then the same command continues.",
            ExitCode.NOT_WRITABLE,
        ) from error
    return Position(last)


def turn_back(
    config: TrainConfig, model: TranslationModel, checkpoints: RunCheckpoints, trouble: Diverged
) -> Position:
    """Returns to the last good checkpoint with half the learning rate, once in a run.

    Raises:
        UserError: The run has turned back before.
    """
    skipped = f"{MAX_SKIPPED_STEPS} steps in a row had a loss or gradient that is not finite"
    if local_values(model.guard.rate_factor)[0] < 1:
        raise UserError(
            f"{skipped}, again at half the learning rate. No weight has taken harm: continue with"
            " a lower --learning_rate and --allow_config_change, or begin again with"
            " --precision=float32.",
            ExitCode.FAILED,
        )
    last_good = Position(trouble.epoch, trouble.step - MAX_SKIPPED_STEPS)
    start = checkpoints.roll_back(last_good)
    check_agreement(model.distribute_strategy, {"the checkpoint to turn back to": str(start)})
    model.guard.rate_factor.assign(RATE_AFTER_TROUBLE)
    print(f"warning: {skipped}; back to {start} at half the learning rate", file=sys.stderr)
    return start
