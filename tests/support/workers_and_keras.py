"""What a worker of two can do with Keras and with its peer; prints one JSON object.

Run by tests/training/test_multi_worker.py as two processes.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.errors import UserError
from tfcyclegan.models.step.replicas import FitsOnWorkers
from tfcyclegan.training.distribution.collectives import check_agreement, from_all_replicas
from tfcyclegan.training.distribution.strategies import is_chief, make_strategy, worker_index


class Fits(FitsOnWorkers, keras.Sequential):
    """Plain, but for the mixin."""


class BuildsNothing(keras.Sequential):
    """Plain, but for the first of the two places where Keras fails."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        pass


def fitted(strategy, kind: type) -> str:
    """Returns "trained", or the name of the error that fit ends in."""
    with strategy.scope():
        model = kind([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    images = np.ones((4, 1), np.float32)
    dataset = strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_tensor_slices((images, images)).repeat().batch(2)
    )
    try:
        model.fit(dataset, steps_per_epoch=2, verbose=0)
    except (AttributeError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        return f"{type(error).__name__}: {error}"
    return "trained"


def of_all(strategy, own: int) -> list:
    """What all workers hold: floats, a truth, and an odd number of bytes, by worker."""
    floats, truth = np.array([[0.5 + own, -1]], np.float32), np.array([own == 0])
    arrays = [floats, truth, np.array([7 + own], np.uint8)]
    return [array.tolist() for array in from_all_replicas(strategy, arrays)]


def agreed(strategy, facts: dict[str, str]) -> str:
    try:
        check_agreement(strategy, facts)
    except UserError as error:
        return str(error)
    return "agreed"


if __name__ == "__main__":
    run = make_strategy("multi_worker", 300)
    own = str(worker_index(run))
    found = {
        "chief": is_chief(run),
        "same": agreed(run, {"--seed": "0", "--epochs": "4"}),
        "other": agreed(run, {"--seed": "0", "--epochs": own}),
        "of all": of_all(run, worker_index(run)),
        "mixin": fitted(run, Fits),
        "plain": fitted(run, keras.Sequential),
        "builds nothing": fitted(run, BuildsNothing),
    }
    print(json.dumps(found), file=sys.stdout)
