"""Trains a CycleGAN on converted records: `python -m tfcyclegan.train --flagfile=...`."""

import dataclasses
import json
import pathlib
import sys

import keras
import tensorflow as tf

from tfcyclegan import data, fitting, manifest, provenance
from tfcyclegan.checkpoints import KEPT_RECORDS, RECORDS, RUN_FILE, claim_workdir, recorded
from tfcyclegan.collectives import check_agreement
from tfcyclegan.config import TrainConfig, run
from tfcyclegan.files import write_atomically
from tfcyclegan.lesion_free import MASK, lesion_free
from tfcyclegan.models import build_model
from tfcyclegan.strategies import (
    check_batch_size,
    emulates_bfloat16,
    explained_loss,
    is_chief,
    make_strategy,
)
from tfcyclegan.validation_slices import ValidationSlices


@explained_loss()
def main(config: TrainConfig) -> None:
    """Trains, or continues, the run that the flags describe."""
    shards = manifest.read(pathlib.Path(config.data_dir))
    shards = manifest.deal(shards, config.folds, config.fold)
    strategy = make_strategy(config.strategy, config.cluster_timeout_s)
    check_batch_size(strategy, config.batch_size, config.accumulate_steps)
    check_agreement(strategy, facts(config, shards))
    set_up_numerics(config)
    train_a, train_b = load_domains(config, shards, config.train_split, config.drop_lesions)
    validated = ValidationSlices.choose(
        *load_domains(config, shards, config.val_split), config.validation_pairs
    )
    steps = config.steps_per_epoch or -(-max(len(train_a), len(train_b)) // config.batch_size)
    print(
        f"train: {len(train_a)} {config.domain_a} and {len(train_b)} {config.domain_b} slices,"
        f" {steps} steps per epoch, {strategy.num_replicas_in_sync} replica(s); validation:"
        f" {validated}"
    )
    if config.dry_run:
        return
    if is_chief(strategy):
        described = provenance.describe(config, shards, sys.argv[1:])
        claim_workdir(config, {name: described[name] for name in RECORDS})
        workdir = pathlib.Path(config.workdir)
        before = recorded(workdir)
        described |= {name: before[name] for name in KEPT_RECORDS if name in before}
        write_atomically(workdir / RUN_FILE, json.dumps(described, indent=2) + "\n")
    with strategy.scope():
        model = build_model(config, steps)
    fitting.fit(config, model, train_a, train_b, validated, steps)


def facts(config: TrainConfig, shards: list) -> dict[str, str]:
    """Returns what all workers of a run must agree on before they build a model."""
    flags = {f"--{name}": str(value) for name, value in dataclasses.asdict(config).items()}
    for free in ("--data_dir", "--workdir", "--cluster_timeout_s"):
        del flags[free]
    return {**flags, "the manifest in --data_dir": manifest.dataset_hash(shards)}


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


def load_domains(
    config: TrainConfig, shards: list, split: str, drop_lesions: str = "none"
) -> tuple[data.Slices, data.Slices]:
    """Returns the slices of domain a and b of one split, one of them perhaps without lesions."""
    loaded = []
    for domain, sequence in (("a", config.domain_a), ("b", config.domain_b)):
        drops = domain == drop_lesions
        slices = data.load_slices(
            config.data_dir,
            shards,
            split=split,
            sequence=sequence,
            image_size=config.image_size,
            masks=(MASK,) if drops else (),
        )
        loaded.append(lesion_free(slices) if drops else slices)
        if drops:
            left_out = len(slices) - len(loaded[-1])
            print(
                f"stress test: {left_out} of {len(slices)} {sequence} slices have a lesion, or no"
                " lesion mask, and are not trained on"
            )
    return tuple(loaded)


if __name__ == "__main__":
    run(main, TrainConfig)
