"""Spectral normalisation against NumPy's singular values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.networks.spectral import SpectralConv2D, advance


def layer_of(kernel: np.ndarray) -> SpectralConv2D:
    """A layer whose kernel came after its vector, as after many updates."""
    height, width, channels, filters = kernel.shape
    layer = SpectralConv2D(filters, (height, width), use_bias=False)
    layer.build((1, 8, 8, channels))
    layer.kernel.assign(kernel)
    return layer


def in_use(layer: SpectralConv2D) -> np.ndarray:
    """The kernel that a forward pass multiplies with, read off with one pixel at a time."""
    height, width, channels, filters = layer.kernel.shape
    units = np.eye(height * width * channels, dtype=np.float32)
    made = layer(units.reshape(-1, height, width, channels))
    return np.reshape(made, (height, width, channels, filters))


def test_a_diagonal_kernel_is_divided_by_its_largest_element():
    layer = layer_of(np.diag([3.0, 1.0]).astype(np.float32)[np.newaxis, np.newaxis])
    for _ in range(30):
        layer.advance()
    np.testing.assert_allclose(in_use(layer)[0, 0], np.diag([1.0, 1.0 / 3.0]), atol=1e-6)


def test_the_largest_singular_value_of_what_is_used_comes_to_one():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 4, 6)).astype(np.float32)
    layer = layer_of(kernel)
    for _ in range(100):
        layer.advance()
    largest = np.linalg.svd(kernel.reshape(36, 6), compute_uv=False)[0]
    np.testing.assert_allclose(in_use(layer), kernel / largest, rtol=1e-4)


def test_a_new_layer_is_normalised_already():
    layer = SpectralConv2D(16, 4, kernel_initializer=keras.initializers.RandomNormal(seed=3))
    layer.build((1, 8, 8, 8))
    kernel = np.reshape(layer.kernel, (-1, 16))
    largest = np.linalg.svd(kernel, compute_uv=False)[0]
    np.testing.assert_allclose(np.linalg.norm(kernel @ np.array(layer.singular)), largest, rtol=0.1)


def test_the_gradient_is_that_of_the_quotient():
    """The vector counts as a constant, and sigma = |W u| does not."""
    rng = np.random.default_rng(1)
    layer = layer_of(rng.normal(size=(1, 1, 3, 2)).astype(np.float32))
    image, vector = rng.normal(size=(1, 1, 1, 3)).astype(np.float32), np.array(layer.singular)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(image))
    gradient = tape.gradient(total, layer.kernel.value)[0, 0]
    kernel, x = np.array(layer.kernel)[0, 0], image[0, 0, 0]
    sigma = np.linalg.norm(kernel @ vector)
    slope = np.outer(kernel @ vector, vector) / sigma
    expected = np.outer(x, np.ones(2)) / sigma - (x @ kernel).sum() / sigma**2 * slope
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_a_forward_pass_changes_nothing_and_advance_reaches_every_layer():
    inputs = keras.Input((8, 8, 2))
    x = SpectralConv2D(3, 3)(inputs)
    model = keras.Model(inputs, SpectralConv2D(2, 3)(keras.layers.ReLU()(x)))
    layers = [layer for layer in model.layers if isinstance(layer, SpectralConv2D)]
    for layer in layers:
        layer.kernel.assign(layer.kernel[::-1])
    before = [np.array(layer.singular) for layer in layers]
    model(np.ones((1, 8, 8, 2), np.float32), training=True)
    for layer, vector in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer.singular, vector)
    advance(model)
    for layer, vector in zip(layers, before, strict=True):
        assert np.abs(np.array(layer.singular) - vector).max() > 1e-5
        assert np.linalg.norm(layer.singular) == pytest.approx(1.0, abs=1e-6)
