"""Losses of features against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.losses.features import (
    content_difference,
    feature_difference,
    gram,
    margin_left,
    style_difference,
)


def constant(level: float, depth: int = 2, side: int = 4, count: int = 2) -> tf.Tensor:
    return tf.fill([count, side, side, depth], level)


def test_a_difference_is_the_weighted_sum_of_mean_absolute_ones():
    real = [constant(0.5, 3, 8), constant(-1.0, 2, 4)]
    made = [real[0] + 0.1, real[1] - 0.1]
    np.testing.assert_allclose(feature_difference(real, made, (5.0, 1.5)), 0.65, rtol=1e-5)
    np.testing.assert_allclose(feature_difference(made, real, (5.0, 1.5)), 0.65, rtol=1e-5)


def test_the_four_layers_of_pan_come_to_nine_tenths():
    real = [constant(0.0, d, s) for d, s in ((2, 16), (3, 8), (4, 4), (4, 2))]
    made = [layer + 0.1 for layer in real]
    np.testing.assert_allclose(feature_difference(real, made, (5.0, 1.5, 1.5, 1.0)), 0.9, rtol=1e-5)


def test_absolute_differences_do_not_cancel():
    made = tf.concat([constant(0.1, 1), constant(-0.1, 1)], -1)
    np.testing.assert_allclose(feature_difference([0.0 * made], [made], [1.0]), 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    ("real", "made", "depth", "style", "content"),
    [(1.0, 0.0, 2, 1 / 16, 1.0), (0.5, 2.0, 4, 3.75**2 / 64, 2.25)],
)
def test_constant_features_have_closed_forms(real, made, depth, style, content):
    layers = [constant(real, depth)], [constant(made, depth)]
    np.testing.assert_allclose(style_difference(*layers), style, rtol=1e-5)
    np.testing.assert_allclose(content_difference(*layers), content, rtol=1e-5)


def test_a_gram_matrix_is_over_all_elements_of_a_map():
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    expected = np.einsum("nhwi,nhwj->nij", maps, maps) / (3 * 5 * 4)
    np.testing.assert_allclose(gram(tf.constant(maps)), expected, rtol=1e-5)


def test_style_has_no_place_and_content_has():
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(1, 6, 6, 3)).astype(np.float32)
    moved = rng.permutation(maps.reshape(1, 36, 3), axis=1).reshape(maps.shape)
    np.testing.assert_allclose(style_difference([maps], [moved]), 0.0, atol=1e-9)
    assert content_difference([tf.constant(maps)], [tf.constant(moved)])[0] > 0.5


@pytest.mark.parametrize(("difference", "left", "slope"), [(2.0, 1.0, -1.0), (4.0, 0.0, 0.0)])
def test_a_margin_that_is_reached_asks_for_nothing(difference, left, slope):
    given = tf.Variable([difference])
    with tf.GradientTape() as tape:
        asked = margin_left(given, 3.0)
    np.testing.assert_array_equal(asked, [left])
    np.testing.assert_array_equal(tape.gradient(asked, given), [slope])


def test_every_example_has_its_own_value():
    real = tf.concat([constant(0.0, count=1), constant(1.0, count=1)], 0)
    for loss in (style_difference, content_difference):
        values = loss([real], [0.0 * real])
        assert values[0] == 0.0 < values[1]
    np.testing.assert_allclose(feature_difference([real], [0.0 * real], [1.0]), [0.0, 1.0])
