"""Models that are small enough for tests, and batches for them."""

import numpy as np
import tensorflow as tf
from tiny_runs import TINY_NETWORKS

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.build import build_model
from tfcyclegan.models.cyclegan.batch import Batch

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


def generator_losses(model, pair, translated: dict | None = None, places=()) -> dict:
    """The generators' losses of a batch, as the train step computes them."""
    given = Batch(*pair, *places)
    translated = translated or model.translate(given)
    shown = model.discriminators.shown_fakes(translated, given)
    return model.generator_losses(given, translated, shown)


def discriminators_taught(model, pair, fakes) -> tuple[dict, list]:
    """Losses and gradients of the discriminators, as the train step computes them."""
    return model.discriminators.taught(
        Batch(*pair),
        *fakes,
        objective=model.objective,
        optimizer=model.discriminator_optimizer,
    )
