"""A run from its first weights to its end, begun again where those led into a wrong basin."""

import dataclasses
import functools
import pathlib
import sys

import tensorflow as tf

from tfcyclegan import fitting
from tfcyclegan.basin import BasinWatch, WrongBasin, sentence
from tfcyclegan.checkpoints import begin_again, restarts_of
from tfcyclegan.collectives import check_agreement, from_chief
from tfcyclegan.config import TrainConfig
from tfcyclegan.data import Slices
from tfcyclegan.models import build_model
from tfcyclegan.strategies import is_chief
from tfcyclegan.validation_slices import ValidationSlices

MOST = 3
"""Restarts of a run; after them it goes on with a warning, wherever it is."""


def fit(
    config: TrainConfig,
    strategy: tf.distribute.Strategy,
    train_a: Slices,
    train_b: Slices,
    validated: ValidationSlices,
    steps: int,
) -> None:
    """Builds the model of a run and fits it, again with the next seed from a wrong basin.

    The restarts so far stand in run.json, so that a run which was killed goes on with its seed.
    """
    workdir = pathlib.Path(config.workdir)
    while True:
        restarts = from_chief(strategy, restarts_of(workdir))
        now = dataclasses.replace(config, seed=config.seed + restarts)
        with strategy.scope():
            model = build_model(now, steps)
        judges = functools.partial(_judges, config, validated, steps, restarts)
        try:
            return fitting.fit(now, model, train_a, train_b, validated, steps, judges)
        except WrongBasin as trouble:
            if is_chief(strategy):
                begin_again(workdir, {**trouble.found.described(), "seed": now.seed})
                print(
                    f"warning: {sentence(trouble.found)}; restart {restarts + 1} of {MOST}, with"
                    f" seed {now.seed + 1}",
                    file=sys.stderr,
                )
            check_agreement(strategy, {"the restart": str(restarts + 1)})


def _judges(config: TrainConfig, validated, steps: int, restarts: int, start) -> list[BasinWatch]:
    if config.wrong_basin == "ignore":
        return []
    again = config.wrong_basin == "restart" and restarts < MOST
    return [
        BasinWatch(
            validated, start, steps=steps, epochs=config.epochs, restart=again, restarts=restarts
        )
    ]
