"""Models that are small enough for tests, and batches for them."""

import numpy as np
import tensorflow as tf
from tiny_runs import TINY_NETWORKS

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.build import build_model

TINY = (
    "--data_dir=none",
    "--workdir=none",
    "--image_size=32",
    *TINY_NETWORKS,
)


def tiny_model(*flags: str):
    return build_model(TrainConfig.parse(*TINY, *flags), steps_per_epoch=10)


def batch(n: int = 2, seed: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(seed)
    return tuple(tf.constant(rng.uniform(-1, 1, (n, 32, 32, 1)), tf.float32) for _ in range(2))
