"""Differentiable augmentation against NumPy, its gradient, and the draws' distribution."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfcyclegan.diff_augment import AIR, DRAWS, KINDS, diff_augment

SHAPE = (3, 16, 24, 1)


def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, SHAPE).astype(np.float32)


def draws(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(SHAPE[0], DRAWS)).astype(np.float32)


def expected(image: np.ndarray, draw: np.ndarray, kinds: tuple) -> np.ndarray:
    """One image [H, W] of Zhao et al., section 4 and their appendix, written out in NumPy."""
    image = image.astype(np.float64)
    if "color" in kinds:
        image = image + draw[0] - 0.5
        image = image.mean() + (draw[1] + 0.5) * (image - image.mean())
    if "translation" in kinds:
        # ceil(16 / 8) = 2 and ceil(24 / 8) = 3 pixels at most: 5 and 7 shifts.
        shift = 2 - int(draw[2] * 5), 3 - int(draw[3] * 7)
        image = ndimage.shift(image, shift, order=0, cval=AIR)
    if "cutout" in kinds:
        # Squares of 8 by 12; both even, so that the centre has one place more than pixels.
        rows, columns = int(draw[4] * 17) - 4, int(draw[5] * 25) - 6
        image = image.copy()
        image[max(rows, 0) : max(rows + 8, 0), max(columns, 0) : max(columns + 12, 0)] = AIR
    return image


@pytest.mark.parametrize("kinds", [(), *[(kind,) for kind in KINDS], KINDS], ids="-".join)
def test_equals_numpy_image_by_image_eager_and_in_a_graph(kinds):
    wanted = [expected(i[..., 0], d, kinds) for i, d in zip(images(), draws(), strict=True)]
    for way in (diff_augment, tf.function(diff_augment)):
        made = way(tf.constant(images()), tf.constant(draws()), kinds)
        np.testing.assert_allclose(made[..., 0], wanted, atol=1e-5)


@pytest.mark.parametrize("low", [0.0, 1.0 - 2.0**-24])
def test_the_ends_of_the_range_of_draws_stay_inside(low):
    extreme = np.full((SHAPE[0], DRAWS), low, np.float32)
    wanted = [expected(image[..., 0], extreme[0], KINDS) for image in images()]
    made = diff_augment(tf.constant(images()), tf.constant(extreme), KINDS)
    np.testing.assert_allclose(made[..., 0], wanted, atol=1e-5)


def test_gradient_equals_finite_differences():
    # Piecewise linear in the image: differences are exact but for rounding.
    weight = np.random.default_rng(2).normal(size=SHAPE)
    point = tf.Variable(images().astype(np.float64))

    def value() -> tf.Tensor:
        return tf.reduce_sum(weight * diff_augment(point + 0.0, draws(), KINDS))

    with tf.GradientTape() as tape:
        total = value()
    gradient = tape.gradient(total, point).numpy()
    for place in [(0, 0, 0, 0), (1, 7, 11, 0), (2, 15, 23, 0), (0, 4, 20, 0)]:
        step = np.zeros(SHAPE)
        step[place] = 1e-3
        before = point.numpy()
        point.assign(before + step)
        slope = (float(value()) - float(total)) / 1e-3
        point.assign(before)
        assert gradient[place] == pytest.approx(slope, abs=1e-7)
    assert np.abs(gradient).max() > 0.1
