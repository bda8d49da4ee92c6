"""Trains a CycleGAN on converted records: `python -m tfcyclegan.train --flagfile=...`."""

import json
import pathlib
import sys

import keras
import tensorflow as tf

from tfcyclegan import callbacks, data, doctor, manifest, provenance, scoring
from tfcyclegan.augment import Augmentation
from tfcyclegan.checkpoints import RunCheckpoints, claim_workdir, write_atomically
from tfcyclegan.config import TrainConfig, run
from tfcyclegan.errors import UserError
from tfcyclegan.extractors import make_extractor
from tfcyclegan.metrics_log import MetricsLog
from tfcyclegan.models import build_model
from tfcyclegan.models.cyclegan import DIAGNOSED, TRACKED
from tfcyclegan.pairing import Pairs, pair
from tfcyclegan.progress import Pace, Progress
from tfcyclegan.strategies import check_batch_size, emulates_bfloat16, make_strategy

EXTRACTOR = "randconv_v1"
SHOWN_PAIRS = 4


def main(config: TrainConfig) -> int | None:
    """Trains, or continues, the run that the flags describe."""
    shards = manifest.read(pathlib.Path(config.data_dir))
    if config.doctor:
        return compare_domains(config, shards)
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
        return None
    claim_workdir(config)
    described = provenance.describe(config, shards, sys.argv[1:])
    write_atomically(
        pathlib.Path(config.workdir) / "run.json", json.dumps(described, indent=2) + "\n"
    )
    with strategy.scope():
        model = build_model(config, steps)
    fit(config, model, train_a, train_b, pairs, steps)
    return None


def compare_domains(config: TrainConfig, shards: list) -> int:
    """Prints how the training split's domains differ; returns 2 if they differ seriously, or 0."""
    names = config.domain_a, config.domain_b
    wanted = [s for s in shards if s.split == config.train_split]
    stored = tuple(sum(s.records for s in wanted if s.sequence == name) for name in names)
    measures = doctor.examine(*load_domains(config, shards, config.train_split), stored)
    print(doctor.report(measures, names))
    return 2 if any(measure.severity == 2 for measure in measures) else 0


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


def fit(config: TrainConfig, model, train_a, train_b, pairs: Pairs, steps: int) -> None:
    """Runs the epochs that are left."""
    checkpoints = RunCheckpoints(config.workdir, model, config.keep_checkpoints)
    finished = checkpoints.restore()
    if finished:
        print(f"continue after epoch {finished} of {config.epochs}")
    if finished >= config.epochs:
        return
    batches = data.training_batches(
        train_a,
        train_b,
        batch_size=config.batch_size,
        first_step=finished * steps,
        seed=config.seed,
        augmentation=Augmentation(
            flips=config.flips,
            rotations=tuple(float(angle) for angle in config.rotations),
            brightness=config.brightness,
            contrast=config.contrast,
        ),
        match_slice_position=config.match_slice_position,
    )
    model.fit(
        batches,
        epochs=config.epochs,
        initial_epoch=finished,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=make_callbacks(config, model, checkpoints, pairs, finished),
    )


def make_callbacks(
    config: TrainConfig, model, checkpoints: RunCheckpoints, pairs: Pairs, finished: int
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks in the order in which they see `logs`."""
    extractor = make_extractor(EXTRACTOR)
    translators = scoring.translators_of(model)
    state = ("learning_rate", "pool_fill")
    columns = [*TRACKED, *DIAGNOSED, *state, *callbacks.Validation.keys(extractor)]
    workdir = pathlib.Path(config.workdir)
    return [
        callbacks.StopOnNonFinite(),
        Pace(config.batch_size),
        callbacks.LearningRate(),
        callbacks.PoolFill(),
        callbacks.Validation(pairs, translators, extractor, config.validate_every),
        callbacks.Summaries(
            config.workdir,
            pairs.thin(SHOWN_PAIRS),
            translators,
            config.to_flagfile(),
            config.validate_every,
            config.histograms,
        ),
        callbacks.History(workdir / "history.csv", columns, finished),
        MetricsLog(workdir / "metrics.jsonl", finished),
        callbacks.Checkpoints(checkpoints, config.checkpoint_every),
        Progress(config.batch_size),
    ]


if __name__ == "__main__":
    run(main, TrainConfig)
