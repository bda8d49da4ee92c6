"""What is settled before the first step: numerics, records, and what run.json says of them."""

import dataclasses
import json
import math
import pathlib
import sys

import keras
import tensorflow as tf

from tfcyclegan import files
from tfcyclegan.config import TrainConfig
from tfcyclegan.data import labels, manifest
from tfcyclegan.data.lesion_free import MASK, lesion_free
from tfcyclegan.data.slices import Slices, load_slices
from tfcyclegan.data.training_slices import TrainingSlices
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.training.distribution.collectives import check_agreement
from tfcyclegan.training.distribution.strategies import emulates_bfloat16
from tfcyclegan.training.rundir import provenance
from tfcyclegan.training.rundir.workdir import (
    KEPT_RECORDS,
    RECORDS,
    RUN_FILE,
    claim_workdir,
    recorded,
)


def facts(config: TrainConfig, shards: list) -> dict[str, str]:
    """Returns what all workers of a run must agree on before they build a model."""
    flags = {f"--{name}": str(value) for name, value in dataclasses.asdict(config).items()}
    for free in ("--data_dir", "--workdir"):
        del flags[free]
    return {**flags, "the manifest in --data_dir": manifest.dataset_hash(shards)}


def set_up_numerics(config: TrainConfig) -> None:
    """Sets seeds, determinism and precision for this process."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        make_deterministic()
    keras.config.set_dtype_policy(config.precision)
    if config.precision == "mixed_bfloat16" and emulates_bfloat16():
        print(
            "warning: this CPU has no bfloat16 instructions, so --precision=mixed_bfloat16 is"
            " several times slower than --precision=float32",
            file=sys.stderr,
        )


def make_deterministic() -> None:
    """Asks TensorFlow for operations, and an order of operations, that repeat to the bit.

    Its arithmetic optimizer sums gradients of three terms and more in an order that differs between
    processes (TensorFlow 2.21; https://github.com/tensorflow/tensorflow/issues/51716).
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def load_domains(
    config: TrainConfig, shards: list, split: str, drop_lesions: str = "none"
) -> tuple[Slices, Slices]:
    """Returns the slices of domain a and b of one split, one of them perhaps without lesions."""
    loaded = []
    for domain, sequence in (("a", config.domain_a), ("b", config.domain_b)):
        drops = domain == drop_lesions
        slices = load_slices(
            config.data_dir,
            shards,
            split=split,
            sequence=sequence,
            image_size=config.image_size,
            masks=labels.MASKS if config.paints_labels else (MASK,) if drops else (),
        )
        loaded.append(lesion_free(slices) if drops else slices)
        if drops:
            left_out = len(slices) - len(loaded[-1])
            print(
                f"stress test: {left_out} of {len(slices)} {sequence} slices have a lesion, or no"
                " lesion mask, and are not trained on"
            )
    return tuple(loaded)


def validation_split(config: TrainConfig, shards: list) -> str:
    """Returns the split to validate on: val, or train where val has not both domains.

    Folds have no split val. Patients that are held out are never validated on, because an epoch
    and a recipe are chosen by what validation says: that would be a leak.
    """
    has = {shard.sequence for shard in shards if shard.split == "val"}
    return "val" if {config.domain_a, config.domain_b} <= has else "train"


def check_features(config: TrainConfig, model: TranslationModel) -> None:
    """Reads the files of fixed networks that losses compare by, before the run is begun.

    Raises:
        UserError: One cannot be read, is of another network, or is not the one that the run in
            --workdir began with, wherever that lies.
    """
    given = {target: found["sha256"] for target, found in model.compared_by.items()}
    check_agreement(model.distribute_strategy, {"the file of --vgg": str(given)})
    begun = recorded(pathlib.Path(config.workdir)).get("compared_by")
    if begun and given != {target: found["sha256"] for target, found in begun.items()}:
        raise UserError(
            f"--vgg is another file than that which the run in --workdir {config.workdir} began"
            " with: give that one, or another --workdir.",
            ExitCode.MISMATCH,
        )


def open_workdir(
    config: TrainConfig,
    shards: list,
    trained: TrainingSlices,
    model: TranslationModel,
    arguments: list[str],
) -> None:
    """Writes flags.txt and run.json, or checks that the run found there is this one.

    Args:
        config: Flags of the run.
        shards: Its records.
        trained: What of them it learns from.
        model: What learns.
        arguments: The command line, which run.json keeps.

    Raises:
        UserError: As `claim_workdir`.
    """
    described = provenance.describe(config, shards, arguments) | {
        "pairs": trained.described(),
        "pairs_hash": trained.pairs_hash,
        "weights": {"pair_weight": config.weight_of_pairs, "nce_weight": config.weight_of_nce},
        "validation_split": validation_split(config, shards),
        "parameters": {
            name: sum(math.prod(v.shape) for v in network.trainable_variables)
            for name, network in model.networks.items()
        },
    }
    claim_workdir(config, {name: described[name] for name in RECORDS})
    workdir = pathlib.Path(config.workdir)
    before = recorded(workdir)
    described |= {name: before[name] for name in KEPT_RECORDS if name in before}
    files.write(workdir / RUN_FILE, json.dumps(described, indent=2) + "\n", flag="--workdir")
