"""Ingredients together: one replica or two change nothing; test_conformance.py cuts a run."""

import numpy as np
import pytest
import tensorflow as tf
from replica_run import weights_and_pools
from tiny_models import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import training_batches
from tfcyclegan.data.slices import Slices
from tfcyclegan.models.build import build_model
from tfcyclegan.training.distribution.strategies import make_strategy

INGREDIENTS = (
    "--position_channels=both",
    "--r1_weight=1",
    "--keep_air",
)
STEPS = 6
TOLERANCE = 1e-9
pytestmark = pytest.mark.usefixtures("float64")


def built(strategy, *flags: str):
    with strategy.scope():
        return build_model(TrainConfig.parse(*TINY, *INGREDIENTS, *flags), steps_per_epoch=STEPS)


def batches(strategy, first_step: int, images_per_example: int):
    images = np.random.default_rng(0).integers(0, 65536, (2, 8, 32, 32), np.uint16)
    images[:, :, :8] = 0  # air, which generators keep
    places = {"geom/slice_frac": np.linspace(0, 1, 8, dtype=np.float32)}
    return strategy.distribute_datasets_from_function(
        lambda context: training_batches(
            *(Slices(one, places) for one in images),
            batch_size=2,
            first_step=first_step,
            seed=0,
            augmentation=Augmentation(("horizontal",), (30.0,), 0.2),
            positions=True,
            images_per_example=images_per_example,
            context=context,
        ).map(lambda a, b, *places: (*(tf.cast(x, tf.float64) for x in (a, b)), *places))
    )


def trained(model, steps: int, first_step: int = 0) -> dict:
    strategy = model.distribute_strategy
    data = batches(strategy, first_step, model.discriminator_images)
    return model.fit(data, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0).history


@pytest.fixture(scope="module")
def single(float64):
    """A model after all steps, and its logs."""
    model = built(make_strategy("single"))
    return model, trained(model, STEPS)


def test_two_replicas_equal_one_in_weights_and_logs(single):
    double = built(make_strategy("mirrored"))
    logs = trained(double, STEPS)
    assert double.distribute_strategy.num_replicas_in_sync == 2
    weights = [weights_and_pools(model)[0] for model in (single[0], double)]
    for x, y in zip(*weights, strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    assert {"r1_a_loss", "r1_b_loss"} <= logs.keys() == single[1].keys()
    for name, values in single[1].items():
        np.testing.assert_allclose(values, logs[name], rtol=TOLERANCE, err_msg=name)


def test_generators_keep_air(single):
    image = np.full((1, 32, 32, 1), -1.0)
    image[:, 12:20, 12:20] = np.random.default_rng(0).uniform(0, 1, (8, 8, 1))
    for generator in (single[0].generator_ab, single[0].generator_ba):
        changed = generator(image).numpy() != image
        assert changed[0, 12:20, 12:20].all() and not changed[0, :9].any()
