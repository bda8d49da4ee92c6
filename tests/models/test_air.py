"""Air of slices against SciPy, and air that generators must leave as it is."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfcyclegan.models.networks import generators
from tfcyclegan.models.networks.air import KeepAir, near_head


def expected_near_head(image: np.ndarray) -> np.ndarray:
    """The same of one slice [H, W] by SciPy and NumPy."""
    counted = ndimage.uniform_filter(np.ones_like(image), 3, mode="constant")
    bright = ndimage.uniform_filter(image, 3, mode="constant") / counted > 0.1
    left, up = (np.maximum.accumulate(bright, axis) for axis in (1, 0))
    right, down = (np.flip(np.maximum.accumulate(np.flip(bright, i), i), i) for i in (1, 0))
    inside = sum(x.astype(int) for x in (left, right, up, down)) >= 3
    width = image.shape[0] // 32
    return ndimage.binary_dilation(inside, np.ones((2 * width + 1,) * 2)) if width else inside


@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 45), (20, 33), (128, 96)])
def test_near_the_head_is_what_scipy_finds(height, width):
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(0, 1, (3, height, width)), (0, 4, 4)) * 3
    image = np.clip(image, 0, 1).astype(np.float32)
    image[:, :8] = image[:, :, :6] = 0.0
    found = near_head(image[..., np.newaxis]).numpy()[..., 0]
    expected = np.stack([expected_near_head(one) for one in image])
    np.testing.assert_array_equal(found, expected)
    assert 0.02 < expected.mean() < 0.98


def test_near_the_head_are_a_thin_scalp_and_dark_eyes_and_no_specks():
    image = np.zeros((1, 64, 64, 1), np.float32)
    image[0, 12:56, 14:50] = 0.3
    image[0, 14:54, 16:48] = 0.0  # skull around the brain, under a scalp of two pixels
    image[0, 18:50, 20:44] = 0.4
    image[0, 12:18, 28:34] = 0.0  # dark, and open to the front
    image[0, 3, 3] = image[0, 3, 60] = 0.8  # specks
    found = near_head(image).numpy()[0, ..., 0]
    assert found[12:56, 14:50].all()
    assert not found[:8].any() and not found[:, :10].any() and not found[:, 54:].any()


@pytest.mark.parametrize("kind", ["curves", "resnet", "unet"])
def test_a_generator_that_keeps_air_changes_the_head_and_nothing_else(kind):
    settings = {"filters": 4, "blocks": 1, "seed": 1, "name": "g"}
    settings |= {"kind": kind, "initializer": "he_normal"}
    free, kept = (generators.build_generator(**settings, keep_air=keep) for keep in (False, True))
    image = np.full((1, 34, 37, 1), -1.0, np.float32)
    image[0, 12:26, 13:30] = 0.2
    image[0, 16:20, 18:22] = -1.0  # fluid of a FLAIR, as black as air
    image[0, 2, 3] = -0.9  # noise
    inside = expected_near_head((image[0, ..., 0] + 1) / 2)[np.newaxis, ..., np.newaxis]
    assert inside[0, 12:26, 13:30].all() and not inside[0, :8].any()
    expected = np.where(inside, free(image), image)
    np.testing.assert_array_equal(kept(image), expected)
    assert (free(image).numpy() != image)[~inside].mean() > 0.9


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_slice_of_air_alone_is_not_translated(noise):
    """What lies beyond a head is in no training slice, and a network that meets it draws one."""
    air = 0.015 + noise * np.abs(np.random.default_rng(0).normal(size=(2, 64, 64, 1)))
    source = (2 * air - 1).astype(np.float32)
    assert not near_head((source + 1) / 2).numpy().any()
    translated = np.zeros_like(source)
    np.testing.assert_array_equal(KeepAir()([translated, source]), source)


def test_no_gradient_comes_from_air_and_all_of_it_from_the_head():
    source = np.full((1, 20, 20, 1), -1.0, np.float32)
    source[0, 5:15, 5:15] = 1.0
    translated = tf.zeros_like(source)
    with tf.GradientTape() as tape:
        tape.watch(translated)
        total = tf.reduce_sum(KeepAir()([translated, source]))
    inside = expected_near_head((source[0, ..., 0] + 1) / 2)
    np.testing.assert_array_equal(tape.gradient(total, translated)[0, ..., 0], inside)
    assert 100 <= inside.sum() <= 144
