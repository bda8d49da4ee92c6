"""The epochs of a run: from the position that a checkpoint holds to the end."""

import contextlib
import pathlib
import sys

import keras
import tensorflow as tf

from tfcyclegan import callbacks, data, safeguards, scoring
from tfcyclegan.augment import Augmentation
from tfcyclegan.basin import BasinWatch
from tfcyclegan.checkpoint_files import Position
from tfcyclegan.checkpoints import BEST_FOLDER, RunCheckpoints, record
from tfcyclegan.collectives import check_agreement
from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.extractors import make_extractor
from tfcyclegan.guard import Diverged
from tfcyclegan.inversion import InversionGuard
from tfcyclegan.metrics_log import MetricsLog
from tfcyclegan.models import view_of
from tfcyclegan.progress import Pace, Progress
from tfcyclegan.replica_state import local_values
from tfcyclegan.selection import BestCheckpoint, score_to_select_by
from tfcyclegan.stop_request import StopRequest
from tfcyclegan.strategies import is_chief, on_workers
from tfcyclegan.validation import Validation, epochs_between
from tfcyclegan.validation_slices import ValidationSlices

SHOWN_PAIRS = 4
KEPT_BESTS = 2
RATE_AFTER_TROUBLE = 0.5


def fit(
    config: TrainConfig,
    model,
    train_a,
    train_b,
    validated: ValidationSlices,
    steps: int,
) -> None:
    """Runs what is left of the run, and turns back once if it diverges."""
    strategy = model.distribute_strategy
    checkpoints = RunCheckpoints(
        config.workdir, model, config.keep_checkpoints, keeps=is_chief(strategy)
    )
    start = checkpoints.restore()
    check_agreement(strategy, {"the newest checkpoint in --workdir": str(start)})
    if start is None:
        start = Position()
        checkpoints.save(start)
    else:
        print(f"continue after {start} of {config.epochs}", flush=True)
    validation = make_validation(config, validated, steps, strategy)
    stop = StopRequest()
    # Workers would have to agree on the step: a signal ends them, and an epoch is repeated.
    with contextlib.nullcontext() if on_workers(strategy) else stop:
        while start.epoch < config.epochs:
            batches = batches_from(
                config, strategy, train_a, train_b, start.epoch * steps + start.step
            )
            watching = make_callbacks(
                config, model, checkpoints, validation, validated, start, stop, steps
            )
            try:
                start = fit_from(start, config, model, batches, steps, watching)
            except Diverged as trouble:
                start = turn_back(config, model, checkpoints, trouble)
    # Nobody leaves while another still works: its departure would count as a loss.
    check_agreement(strategy, {"the end of the run": "reached"})


def batches_from(
    config: TrainConfig, strategy: tf.distribute.Strategy, train_a, train_b, step: int
) -> tf.data.Dataset:
    """Returns the run's training batches, that of `step` first."""
    return strategy.distribute_datasets_from_function(
        lambda context: data.training_batches(
            train_a,
            train_b,
            batch_size=config.batch_size,
            first_step=step,
            seed=config.seed,
            augmentation=augmentation_of(config),
            match_slice_position=config.match_slice_position,
            positions=view_of(config).positions,
            images_per_example=config.discriminator_images,
            context=context,
        )
    )


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
    start: Position, config: TrainConfig, model, batches: tf.data.Dataset, steps: int, watching
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
            6,
        ) from error
    return Position(last)


def turn_back(
    config: TrainConfig, model, checkpoints: RunCheckpoints, trouble: Diverged
) -> Position:
    """Returns to the last good checkpoint with half the learning rate, once in a run.

    Raises:
        UserError: The run has turned back before.
    """
    skipped = f"{config.max_skipped_steps} steps in a row had a loss or gradient that is not finite"
    if local_values(model.guard.rate_factor)[0] < 1:
        raise UserError(
            f"{skipped}, again at half the learning rate. No weight has taken harm: continue with"
            " a lower --learning_rate and --allow_config_change, or begin again with"
            " --precision=float32.",
            1,
        )
    last_good = Position(trouble.epoch, trouble.step - config.max_skipped_steps)
    start = checkpoints.roll_back(last_good, config.checkpoint_every)
    check_agreement(model.distribute_strategy, {"the checkpoint to turn back to": str(start)})
    model.guard.rate_factor.assign(RATE_AFTER_TROUBLE)
    print(f"warning: {skipped}; back to {start} at half the learning rate", file=sys.stderr)
    return start


def make_validation(
    config: TrainConfig, validated: ValidationSlices, steps: int, strategy: tf.distribute.Strategy
) -> Validation:
    """Returns the callback that scores both directions, and says in run.json how it does."""
    extractor = make_extractor(config.extractor, config.extractor_weights)
    every = config.validate_every or epochs_between(validated, steps, config.batch_size)
    if is_chief(strategy):
        described = {"name": extractor.name, "resize": extractor.resize, "sha256": extractor.sha256}
        counts = {"a": len(validated.a), "b": len(validated.b), "pairs": validated.pairs}
        record(
            pathlib.Path(config.workdir),
            "validation",
            {"every": every, "slices": counts, "extractor": described},
        )
    return Validation(validated, extractor, config.workdir, every=every, epochs=config.epochs)


def make_callbacks(
    config: TrainConfig,
    model,
    checkpoints: RunCheckpoints,
    validation: Validation,
    validated: ValidationSlices,
    start: Position,
    stop: StopRequest,
    steps: int,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks in the order in which they see `logs`.

    What is written is the chief's; a validation and a checkpoint take all workers.
    """
    strategy = model.distribute_strategy
    guard = safeguards.NonFinite(start, config.max_skipped_steps)
    keeping = best_checkpoint(config, model, validation, start)
    saving = safeguards.Checkpoints(
        checkpoints,
        stop,
        start=start,
        epochs=config.epochs,
        every=config.checkpoint_every,
        # Clocks differ, and workers have to save at the same step.
        minutes=0.0 if on_workers(strategy) else config.checkpoint_minutes,
    )
    if not is_chief(strategy):
        return [guard, validation, *keeping, saving]
    state = ("learning_rate", "pool_fill", "skipped_steps")
    workdir = pathlib.Path(config.workdir)
    return [
        *basin_watch(config, validated, start, steps),
        guard,
        Pace(config.batch_size),
        callbacks.LearningRate(),
        callbacks.PoolFill(),
        validation,
        InversionGuard(validated),
        callbacks.Summaries(
            config.workdir,
            validated.shown(SHOWN_PAIRS),
            scoring.translators_of(model),
            config.to_flagfile(),
            validation.due,
            config.histograms,
        ),
        callbacks.History(
            workdir / "history.csv",
            [*(metric.name for metric in model.metrics), *state, *validation.keys()],
            start.epoch,
        ),
        MetricsLog(workdir / "metrics.jsonl", start.epoch),
        *keeping,
        saving,
        Progress(config.batch_size),
    ]


def basin_watch(
    config: TrainConfig, validated: ValidationSlices, start: Position, steps: int
) -> list[keras.callbacks.Callback]:
    """Returns the callback that warns of a run in a wrong basin, if it is asked for."""
    if config.wrong_basin == "ignore":
        return []
    return [BasinWatch(validated, start, steps=steps, epochs=config.epochs)]


def best_checkpoint(
    config: TrainConfig, model, validation: Validation, start: Position
) -> list[keras.callbacks.Callback]:
    """Returns the callback that keeps the best checkpoint, none where nothing can be selected by.

    Raises:
        UserError: The validation has no score --best_by.
    """
    score = score_to_select_by(config.best_by, validation.keys())
    if score is None:
        return []
    strategy = model.distribute_strategy
    kept = RunCheckpoints(
        config.workdir, model, KEPT_BESTS, keeps=is_chief(strategy), folder=BEST_FOLDER
    )
    return [BestCheckpoint(kept, score, config.workdir, start.epoch, strategy)]
