"""The residual blocks' convolution against Keras', and where it steps aside."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.networks.convolution import PaddedConv2D


def results_of(layer, images):
    """Output, and gradients by image and kernel of a sum in which every output counts otherwise."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = layer(images)
        ramp = tf.reshape(tf.range(tf.size(output), dtype=output.dtype), output.shape)
        total = tf.reduce_sum(output * tf.sin(ramp))
    return [output, *tape.gradient(total, [images, layer.kernel])]


@pytest.mark.parametrize("shape", [(1, 34, 36, 3), (2, 34, 36, 3), (1, 35, 36, 3)])
def test_padded_convolution_equals_keras(shape):
    images = tf.random.stateless_normal(shape, [1, 2])
    made, expected = PaddedConv2D(5, 3), keras.layers.Conv2D(5, 3, use_bias=False)
    made.build(shape), expected.build(shape)
    expected.set_weights(made.get_weights())
    for found, wanted in zip(results_of(made, images), results_of(expected, images), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def operations(size, dtype="float32"):
    layer = PaddedConv2D(5, 3, dtype=dtype)
    graph = tf.function(lambda x: results_of(layer, x)).get_concrete_function(
        tf.TensorSpec((1, size, size, 3), dtype)
    )
    return {op.type for op in graph.graph.get_operations()}


def test_padded_convolution_leaves_small_images_and_other_precisions_to_tensorflow():
    assert "Conv2DBackpropFilter" not in operations(34)
    assert "Conv2DBackpropFilter" in operations(16)
    assert "Conv2DBackpropFilter" in operations(34, "bfloat16")


def test_padded_convolution_survives_its_configuration():
    layer = PaddedConv2D(5, 3, name="r")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert isinstance(again, PaddedConv2D) and again.get_config() == layer.get_config()
