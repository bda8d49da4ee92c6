"""One short training in float64 on replicas of any strategy; a worker's program, too.

In float64, rounding is not amplified to the size of an Adam step within a few steps, so that runs
can be compared closely.
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from tiny_models import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import training_batches
from tfcyclegan.data.paired_batches import paired_batches
from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import Slices
from tfcyclegan.models.build import build_model
from tfcyclegan.training.distribution.replica_state import local_values
from tfcyclegan.training.distribution.strategies import make_strategy

INGREDIENTS = (
    *("--position_channels=both", "--r1_weight=1", "--keep_air"),
    *("--pairs=auto", "--pairs_per_example=2", "--pair_ssim_weight=1"),
    *("--pair_updates=2", "--lesion_emphasis=2"),
)
STEPS = 20
BATCH = 2


def set_precision(name: str) -> None:
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)


def trained(kind: str):
    """Returns a model and the logs of its one epoch, trained on the batches of a run.

    The pools are not full at the end, so that they return every image as it came: with a full pool,
    what a discriminator sees depends on the number of replicas.
    """
    flags = ("--identity_weight=0.5", "--ema_decay=0.9", *INGREDIENTS)
    strategy = make_strategy(kind)
    images = np.random.default_rng(0).integers(0, 65536, (2, 8, 32, 32), np.uint16)
    images[:, :, :8] = 0  # air, which generators keep
    positions = {"geom/slice_frac": np.linspace(0, 1, 8, dtype=np.float32)}
    slices = [Slices(one, positions) for one in images]

    def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
        common = {
            "batch_size": BATCH,
            "first_step": 0,
            "seed": 0,
            "augmentation": Augmentation(("horizontal",), (30.0,), 0.2),
            "context": context,
        }
        unpaired = training_batches(*slices, positions=True, **common)
        paired = paired_batches(Pairs(*slices, 0, 0), pairs_per_example=4, **common)
        kind = keras.config.floatx()
        return tf.data.Dataset.zip(unpaired, paired).map(
            lambda one, two: tuple(tf.cast(tensor, kind) for tensor in (*one, *two))
        )

    with strategy.scope():
        model = build_model(TrainConfig.parse(*TINY, *flags), steps_per_epoch=STEPS)
    history = model.fit(
        strategy.distribute_datasets_from_function(share),
        epochs=1,
        steps_per_epoch=STEPS,
        shuffle=False,
        verbose=0,
    )
    return model, history.history


def weights_and_pools(model) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns all weights but the pools, and the images of both pools, [2, replicas, size, ...]."""
    pools = model.pool_a, model.pool_b
    own = {id(variable) for pool in pools for variable in pool.variables}
    weights = [np.asarray(variable) for variable in model.weights if id(variable) not in own]
    return weights, np.stack([local_values(pool.images) for pool in pools])


if __name__ == "__main__":
    set_precision("float64")
    trained_model, logs = trained("multi_worker")
    weights, pools = weights_and_pools(trained_model)
    path = f"{sys.argv[1]}/{trained_model.distribute_strategy.cluster_resolver.task_id}.npz"
    np.savez(path, *weights, pools=pools, **logs)
