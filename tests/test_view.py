"""What the discriminators are shown: the places of slices, in training and in the pools."""

import numpy as np
import pytest
import tensorflow as tf
from test_cyclegan import batch, tiny_model

from tfcyclegan.models.view import View

DETAILS = (tf.constant([6, 7], tf.int64), tf.constant([0.0, 0.25]), tf.constant([1.0, 0.5]))


@pytest.fixture(scope="module")
def model():
    return tiny_model("--position_channels=both", "--pool_size=2", "--ema_decay=0.9")


def test_a_placed_image_has_its_position_in_model_range():
    images, _ = batch()
    placed = View(positions=True).placed(images, DETAILS[1])
    np.testing.assert_array_equal(placed[..., :1], images)
    np.testing.assert_array_equal(placed[0, ..., 1], np.full((32, 32), -1.0))
    np.testing.assert_array_equal(placed[1, ..., 1], np.full((32, 32), -0.5))
    assert View().placed(images, None) is images


def test_a_fake_keeps_the_place_of_its_source_in_the_pool(model):
    logs = model.train_step((*batch(), *DETAILS))
    assert all(np.isfinite(float(value)) for value in logs.values())
    for pool, place in ((model.pool_a, DETAILS[2]), (model.pool_b, DETAILS[1])):
        expected = np.broadcast_to(2 * place[:, None, None] - 1, (2, 32, 32))
        np.testing.assert_array_equal(pool.images[..., 1], expected)


def test_the_generators_loss_depends_on_the_place_of_the_slice(model):
    pair = batch()
    made = model.translate(*pair)
    losses = [
        model.generator_losses(*pair, made, DETAILS[0], place, DETAILS[2])
        for place in (DETAILS[1], 1 - DETAILS[1])
    ]
    moved = {k: float(np.abs(losses[0][k] - losses[1][k]).max()) for k in losses[0]}
    assert moved["generator_ab_loss"] > 1e-4 and moved["generator_ba_loss"] == 0


def test_the_places_of_networks_are_chosen_apart():
    for choice, channels in (("none", (1, 1)), ("generator", (3, 1)), ("discriminator", (1, 4))):
        made = tiny_model(f"--position_channels={choice}")
        kernels = [net.weights[0].shape[2] for net in (made.generator_ab, made.discriminator_b)]
        assert tuple(kernels) == channels, choice
        assert made.view.needs_details == (choice == "discriminator")
