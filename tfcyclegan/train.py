"""Trains a CycleGAN on converted records: `python -m tfcyclegan.train --flagfile=...`."""

import json
import pathlib
import platform
import sys

import keras
import numpy as np
import tensorflow as tf

import tfcyclegan
from tfcyclegan import callbacks, data, manifest, safeguards, scoring
from tfcyclegan.augment import Augmentation
from tfcyclegan.checkpoint_files import Position
from tfcyclegan.checkpoints import (
    RUN_FILE,
    RunCheckpoints,
    claim_workdir,
    recorded_changes,
    write_atomically,
)
from tfcyclegan.config import TrainConfig, run
from tfcyclegan.errors import UserError
from tfcyclegan.extractors import make_extractor
from tfcyclegan.guard import Diverged
from tfcyclegan.models import build_model
from tfcyclegan.models.cyclegan import TRACKED
from tfcyclegan.pairing import Pairs, pair
from tfcyclegan.replica_state import local_values
from tfcyclegan.stop_request import StopRequest
from tfcyclegan.strategies import check_batch_size, emulates_bfloat16, make_strategy

EXTRACTOR = "randconv_v1"
SHOWN_PAIRS = 4
RATE_AFTER_TROUBLE = 0.5


def main(config: TrainConfig) -> None:
    """Trains, or continues, the run that the flags describe."""
    shards = manifest.read(pathlib.Path(config.data_dir))
    set_up_numerics(config)
    strategy = make_strategy(config.strategy)
    check_batch_size(strategy, config.batch_size)
    train_a, train_b = load_domains(config, shards, config.train_split)
    pairs = validation_pairs(config, shards)
    steps = config.steps_per_epoch or -(-max(len(train_a), len(train_b)) // config.batch_size)
    print(
        f"train: {len(train_a)} {config.domain_a} and {len(train_b)} {config.domain_b} slices,"
        f" {steps} steps per epoch, {strategy.num_replicas_in_sync} replica(s); validation:"
        f" {len(pairs)} pairs"
    )
    if config.dry_run:
        return
    claim_workdir(config)
    write_run_description(config, shards)
    with strategy.scope():
        model = build_model(config, steps)
    fit(config, model, train_a, train_b, pairs, steps)


def set_up_numerics(config: TrainConfig) -> None:
    """Sets seeds, determinism and precision for this process."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(config.precision)
    if config.precision == "mixed_bfloat16" and emulates_bfloat16():
        print(
            "warning: this CPU has no bfloat16 instructions, so --precision=mixed_bfloat16 is"
            " several times slower than --precision=float32",
            file=sys.stderr,
        )


def load_domains(config: TrainConfig, shards: list, split: str) -> tuple[data.Slices, data.Slices]:
    """Returns the slices of domain a and b of one split."""
    return tuple(
        data.load_slices(
            config.data_dir, shards, split=split, sequence=domain, image_size=config.image_size
        )
        for domain in (config.domain_a, config.domain_b)
    )


def validation_pairs(config: TrainConfig, shards: list) -> Pairs:
    """Returns the fixed pairs that the run is validated on, evenly spaced over all there are."""
    pairs = pair(*load_domains(config, shards, config.val_split))
    if not len(pairs):
        raise UserError(
            f"Split {config.val_split} holds no slice of {config.domain_a} and {config.domain_b} at"
            " the same place of the same study, so nothing can be validated. Choose another"
            " --val_split, or convert studies that hold both sequences."
        )
    return pairs.thin(config.validation_pairs)


def write_run_description(config: TrainConfig, shards: list) -> None:
    """Writes run.json: what made this run, for whoever wants to repeat it."""
    description = {
        "command": ["python", "-m", "tfcyclegan.train", *sys.argv[1:]],
        "dataset_hash": manifest.dataset_hash(shards),
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "deterministic": config.deterministic,
        "seed": config.seed,
        "versions": {
            "tfcyclegan": tfcyclegan.__version__,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }
    workdir = pathlib.Path(config.workdir)
    if changes := recorded_changes(workdir):
        description["config_changes"] = changes
    write_atomically(workdir / RUN_FILE, json.dumps(description, indent=2) + "\n")


def fit(config: TrainConfig, model, train_a, train_b, pairs: Pairs, steps: int) -> None:
    """Runs what is left of the run, and turns back once if it diverges."""
    checkpoints = RunCheckpoints(config.workdir, model, config.keep_checkpoints)
    start = checkpoints.restore()
    if start is None:
        start = Position()
        checkpoints.save(start)
    else:
        print(f"continue after {start} of {config.epochs}")
    with StopRequest() as stop:
        while start.epoch < config.epochs:
            batches = batches_from(config, train_a, train_b, start.epoch * steps + start.step)
            watching = make_callbacks(config, model, checkpoints, pairs, start, stop)
            try:
                start = fit_from(start, config, model, batches, steps, watching)
            except Diverged as trouble:
                start = turn_back(config, model, checkpoints, trouble)


def batches_from(config: TrainConfig, train_a, train_b, step: int) -> tf.data.Dataset:
    """Returns the run's training batches, that of `step` first."""
    return data.training_batches(
        train_a,
        train_b,
        batch_size=config.batch_size,
        first_step=step,
        seed=config.seed,
        augmentation=Augmentation(
            flips=config.flips,
            rotations=tuple(float(angle) for angle in config.rotations),
            brightness=config.brightness,
            contrast=config.contrast,
        ),
        match_slice_position=config.match_slice_position,
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
            verbose=1 if sys.stdout.isatty() else 2,
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
    model.guard.rate_factor.assign(RATE_AFTER_TROUBLE)
    print(f"warning: {skipped}; back to {start} at half the learning rate", file=sys.stderr)
    return start


def make_callbacks(
    config: TrainConfig,
    model,
    checkpoints: RunCheckpoints,
    pairs: Pairs,
    start: Position,
    stop: StopRequest,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks in the order in which they see `logs`."""
    extractor = make_extractor(EXTRACTOR)
    translators = scoring.translators_of(model)
    columns = [
        *(*TRACKED, "learning_rate", "skipped_steps"),
        *callbacks.Validation.keys(extractor),
    ]
    history = pathlib.Path(config.workdir) / "history.csv"
    return [
        safeguards.NonFinite(start, config.max_skipped_steps),
        callbacks.LearningRate(),
        callbacks.Validation(pairs, translators, extractor, config.validate_every),
        callbacks.Summaries(
            config.workdir,
            pairs.thin(SHOWN_PAIRS),
            translators,
            config.to_flagfile(),
            config.validate_every,
        ),
        callbacks.History(history, columns, start.epoch),
        safeguards.Checkpoints(
            checkpoints,
            stop,
            start=start,
            epochs=config.epochs,
            every=config.checkpoint_every,
            minutes=config.checkpoint_minutes,
        ),
    ]


if __name__ == "__main__":
    run(main, TrainConfig)
