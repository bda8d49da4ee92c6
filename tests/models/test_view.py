"""What the discriminators are shown: the places of slices, in training and in the pools."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import TINY, batch, generator_losses, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.cyclegan.build import view_of
from tfcyclegan.models.networks.discriminator_view import View

PLACES = (tf.constant([0.0, 0.25]), tf.constant([1.0, 0.5]))


@pytest.fixture(scope="module")
def model():
    return tiny_model("--position_channels=both", "--pool_size=2", "--ema_decay=0.9")


def test_a_shown_image_has_its_position_in_model_range():
    images, _ = batch()
    shown = View(positions=True).shown(images, PLACES[0])
    np.testing.assert_array_equal(shown[..., :1], images)
    np.testing.assert_array_equal(shown[0, ..., 1], np.full((32, 32), -1.0))
    np.testing.assert_array_equal(shown[1, ..., 1], np.full((32, 32), -0.5))
    assert View().shown(images, None) is images


def test_a_downsampled_image_is_the_mean_of_its_blocks_and_has_its_position():
    images, _ = batch()
    shown = View(downsample=2, positions=True).shown(images, PLACES[0])
    blocks = images.numpy().reshape(2, 16, 2, 16, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(shown[..., 0], blocks, atol=1e-6)
    np.testing.assert_array_equal(shown[1, ..., 1], np.full((16, 16), -0.5))


def test_all_discriminators_see_downsampled_images_and_pools_hold_them():
    flags = ("--image_size=64", "--discriminator_size=32", "--pool_size=2", "--r1_weight=1")
    model = tiny_model(*flags)
    real_a, real_b = (tf.image.resize(x, (64, 64)) for x in batch())
    made = model.translate(Batch(real_a, real_b))
    assert {x.shape[1] for x in made.values()} == {64}
    given = Batch(real_a, real_b)
    scores = model.discriminators.scores(model.discriminators.shown_fakes(made, given))
    blocks = made["fake_b"].numpy().reshape(2, 32, 2, 32, 2, 1).mean(axis=(2, 4))
    np.testing.assert_allclose(scores["b"], model.discriminator_b(blocks), rtol=1e-3, atol=1e-5)
    logs = model.train_step((real_a, real_b))
    assert all(np.isfinite(float(value)) for value in logs.values())
    np.testing.assert_allclose(model.pool_b.images, blocks, atol=1e-5)


def test_a_size_is_reached_by_a_whole_factor():
    for size, image_size, factor in (
        (64, 128, 2),
        (64, 256, 4),
        (64, 64, 1),
        (64, 32, 1),
        (0, 32, 1),
        (64, 191, 2),
    ):
        flags = (f"--image_size={image_size}", f"--discriminator_size={size}")
        assert view_of(TrainConfig.parse(*TINY, *flags)).downsample == factor
    with pytest.raises(UserError, match="--discriminator_size is 0 or at least 32"):
        tiny_model("--discriminator_size=16")


def test_a_fake_keeps_the_place_of_its_source_in_the_pool(model):
    logs = model.train_step((*batch(), *PLACES))
    assert all(np.isfinite(float(value)) for value in logs.values())
    for pool, place in ((model.pool_a, PLACES[1]), (model.pool_b, PLACES[0])):
        expected = np.broadcast_to(2 * place[:, None, None] - 1, (2, 32, 32))
        np.testing.assert_array_equal(pool.images[..., 1], expected)


def test_the_generators_loss_depends_on_the_place_of_the_slice(model):
    pair = batch()
    made = model.translate(Batch(*pair))
    losses = [
        generator_losses(model, pair, made, (place, PLACES[1]))
        for place in (PLACES[0], 1 - PLACES[0])
    ]
    moved = {k: float(np.abs(losses[0][k] - losses[1][k]).max()) for k in losses[0]}
    assert moved["generator_ab_loss"] > 1e-4 and moved["generator_ba_loss"] == 0


def test_the_places_of_networks_are_chosen_apart(model):
    made = tiny_model("--position_channels=discriminator")
    for one, expected in ((model, [3, 4]), (made, [1, 4])):
        networks = one.generator_ab, one.discriminator_b
        assert [network.weights[0].shape[2] for network in networks] == expected
    flags = ("none", "generator", "discriminator", "both")
    configs = [TrainConfig.parse(*TINY, f"--position_channels={flag}") for flag in flags]
    assert [view_of(config).positions for config in configs] == [False, False, True, True]
