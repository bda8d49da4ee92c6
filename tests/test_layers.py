"""Instance normalisation against tensorflow-addons, Keras and first principles."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.layers import (
    FUSED_BATCH_LIMIT,
    InstanceNormalization,
    PaddedConv2D,
    ReflectionPadding,
)

GOLDEN = np.load(pathlib.Path(__file__).parent / "golden" / "tfa_reference.npz")
"""Made by golden/gen_tfa_reference.py under tensorflow-addons 0.23.0."""

TOLERANCE = 1e-5


@pytest.mark.parametrize("copies", [1, FUSED_BATCH_LIMIT], ids=["fused", "moments"])
def test_equals_tensorflow_addons(copies):
    images = tf.repeat(GOLDEN["in_x"], copies, axis=0)
    expected = np.repeat(GOLDEN["in_out_noaffine_eps1e-5"], copies, axis=0)
    made = InstanceNormalization(epsilon=1e-5)(images)
    np.testing.assert_allclose(made, expected, atol=TOLERANCE)


def test_default_of_tensorflow_addons_has_another_epsilon_and_must_not_match():
    made = InstanceNormalization()(GOLDEN["in_x"]) * GOLDEN["in_gamma"] + GOLDEN["in_beta"]
    np.testing.assert_allclose(made, GOLDEN["in_out_eps1e-5"], atol=TOLERANCE)
    assert np.abs(made - GOLDEN["in_out_default"]).max() > 10 * TOLERANCE


def test_equals_keras_group_normalization_with_one_channel_per_group():
    reference = keras.layers.GroupNormalization(groups=-1, epsilon=1e-5, scale=False, center=False)
    made = InstanceNormalization(epsilon=1e-5)(GOLDEN["in_x"])
    np.testing.assert_allclose(made, reference(GOLDEN["in_x"]), atol=TOLERANCE)


def test_one_channel_and_one_image_leave_the_others_alone():
    images = GOLDEN["in_x"].copy()
    before = InstanceNormalization()(images).numpy()
    images[0, ..., 3] *= 7.0
    images[0, 2, 2, 3] += 5.0
    after = InstanceNormalization()(images).numpy()
    changed = np.abs(after - before).max(axis=(1, 2)) > TOLERANCE
    expected = np.zeros((2, 8), bool)
    expected[0, 3] = True
    np.testing.assert_array_equal(changed, expected)


def test_gradients_of_both_ways_agree():
    layer, gradients = InstanceNormalization(), []
    weight = tf.constant(np.random.default_rng(0).normal(size=GOLDEN["in_x"].shape), tf.float32)
    for way in (layer, layer._by_moments):
        images = tf.Variable(GOLDEN["in_x"])
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.square(way(images)) * weight)
        gradients.append(tape.gradient(value, images))
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_blank_slice_becomes_zero_and_not_nan(policy):
    layer = InstanceNormalization(dtype=policy)
    made = tf.function(layer)(tf.fill([1, 16, 16, 4], -1.0))
    np.testing.assert_array_equal(tf.cast(made, tf.float32), np.zeros((1, 16, 16, 4)))


def test_reflection_padding_mirrors_without_repeating_the_border():
    image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    padded = ReflectionPadding(2)(image)[0, :, :, 0]
    expected = np.pad(np.arange(9.0).reshape(3, 3), 2, mode="reflect")
    np.testing.assert_array_equal(padded, expected)


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
