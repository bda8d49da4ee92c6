"""The callbacks of a run, in the order in which they see the logs."""

import pathlib

import keras

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.extractors import make_extractor
from tfcyclegan.models import translators
from tfcyclegan.models.step.replicas import on_workers
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.training.callbacks import checkpointing, history, nonfinite, run_state, summaries
from tfcyclegan.training.callbacks.best_checkpoint import BestCheckpoint, score_to_select_by
from tfcyclegan.training.callbacks.collapse import CollapseWatch
from tfcyclegan.training.callbacks.contrast import ContrastWatch
from tfcyclegan.training.callbacks.metrics_log import MetricsLog
from tfcyclegan.training.callbacks.progress import Pace, Progress
from tfcyclegan.training.distribution.strategies import is_chief
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.rundir.workdir import BEST_FOLDER, record
from tfcyclegan.training.stop_request import StopRequest
from tfcyclegan.training.validation import Validation, epochs_between

KEPT_BESTS = 2
CHECKPOINT_MINUTES = 30.0
"""Between checkpoints inside an epoch: the most that a run loses which ends without a signal."""
MAX_SKIPPED_STEPS = 10
"""Steps in a row that are not finite, after which a run turns back."""


def make_validation(
    config: TrainConfig, model: TranslationModel, validated: ValidationSlices, steps: int
) -> Validation:
    """Returns the callback that scores a model, and says in run.json how it does."""
    extractor = make_extractor(*config.extractor.split(":", 1))
    every = config.validate_every or epochs_between(validated, steps, config.batch_size)
    if is_chief(model.distribute_strategy):
        described = {"name": extractor.name, "resize": extractor.resize, "sha256": extractor.sha256}
        counts = {"a": len(validated.a), "b": len(validated.b), "pairs": validated.pairs}
        record(
            pathlib.Path(config.workdir),
            "validation",
            {"every": every, "slices": counts, "extractor": described},
        )
    return Validation(
        validated,
        extractor,
        config.workdir,
        every=every,
        epochs=config.epochs,
        directions=translators.directions_of(model),
        cycled=model.cycled,
        samples=model.kind != "translator",
    )


def make_callbacks(
    config: TrainConfig,
    model: TranslationModel,
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
    guard = nonfinite.NonFinite(start, MAX_SKIPPED_STEPS)
    keeping = best_checkpoint(config, model, validation, start)
    saving = checkpointing.Checkpoints(
        checkpoints,
        stop,
        start=start,
        # Clocks differ, and workers have to save at the same step.
        minutes=0.0 if on_workers(strategy) else CHECKPOINT_MINUTES,
    )
    if not is_chief(strategy):
        return [guard, validation, *keeping, saving]
    state = ("learning_rate", "pool_fill", "skipped_steps")
    workdir = pathlib.Path(config.workdir)
    return [
        ContrastWatch(validated, start, steps=steps, epochs=config.epochs),
        CollapseWatch(validated, start, steps=steps, epochs=config.epochs),
        guard,
        Pace(config.batch_size),
        run_state.LearningRate(),
        run_state.PoolFill(),
        validation,
        summaries.Summaries(
            config.workdir,
            validated,
            translators.translators_of(model),
            config.to_flagfile(),
            validation.due,
        ),
        history.History(
            workdir / "history.csv",
            [*(metric.name for metric in model.metrics), *state, *validation.keys()],
            start.epoch,
        ),
        MetricsLog(workdir / "metrics.jsonl", start.epoch),
        *keeping,
        saving,
        Progress(config.batch_size),
    ]


def best_checkpoint(
    config: TrainConfig, model: TranslationModel, validation: Validation, start: Position
) -> list[keras.callbacks.Callback]:
    """Returns the callback that keeps the best checkpoint, none where no score can select."""
    directions = translators.directions_of(model)
    score = score_to_select_by(validation.keys(), directions)
    if score is None:
        return []
    strategy = model.distribute_strategy
    kept = RunCheckpoints(
        config.workdir, model, KEPT_BESTS, keeps=is_chief(strategy), folder=BEST_FOLDER
    )
    return [BestCheckpoint(kept, score, directions, config.workdir, start.epoch, strategy)]
