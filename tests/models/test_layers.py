"""Instance normalisation against tensorflow-addons, Keras and first principles."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from places import TFA_REFERENCE

from tfcyclegan.models.networks.layers import (
    FUSED_BATCH_LIMIT,
    BilinearDoubling,
    Coordinates,
    CropLike,
    InstanceNormalization,
    PadToMultiple,
    ReflectionPadding,
)

GOLDEN = np.load(TFA_REFERENCE)
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
    layer, gradients, n = InstanceNormalization(), [], FUSED_BATCH_LIMIT
    weight = tf.constant(np.random.default_rng(0).normal(size=GOLDEN["in_x"].shape), tf.float32)
    for way in (layer, lambda images: layer(tf.repeat(images, n, axis=0))[::n]):
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


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("copies", [1, FUSED_BATCH_LIMIT + 1], ids=["fused", "moments"])
def test_statistics_are_of_float32_whatever_the_precision(dtype, copies):
    """In float16 the squares of 300 are infinite; in bfloat16 a sum of 256 is full at 2^8."""
    values = 300.0 + 20.0 * np.random.default_rng(0).normal(size=(copies, 32, 32, 2))
    rounded = tf.cast(values, dtype)
    made = InstanceNormalization(dtype=f"mixed_{dtype}")(rounded)
    assert made.dtype == dtype
    exact = np.asarray(tf.cast(rounded, tf.float64))
    exact = (exact - exact.mean((1, 2), keepdims=True)) / exact.std((1, 2), keepdims=True)
    # Only the rounding of the result is left: half a unit in the last place of up to 4.
    atol = 4 * {"bfloat16": 2.0**-8, "float16": 2.0**-11}[dtype]
    np.testing.assert_allclose(tf.cast(made, tf.float64), exact, atol=atol)


def test_constant_air_costs_no_digits():
    """Three quarters of a slice are one number; the sum of so many must not drift."""
    images = np.full((FUSED_BATCH_LIMIT + 1, 256, 256, 2), -2.3711, np.float32)
    disc = np.random.default_rng(0).normal(1, 0.5, (128, 128, 2)).astype(np.float32)
    images[:, 64:192, 64:192] = disc
    exact = images.astype(np.float64)
    deviation = np.sqrt(exact.var(axis=(1, 2), keepdims=True) + 1e-5)
    expected = (exact - exact.mean(axis=(1, 2), keepdims=True)) / deviation
    np.testing.assert_allclose(InstanceNormalization()(images), expected, atol=TOLERANCE)


def test_reflection_padding_mirrors_without_repeating_the_border():
    image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    padded = ReflectionPadding(2)(image)[0, :, :, 0]
    expected = np.pad(np.arange(9.0).reshape(3, 3), 2, mode="reflect")
    np.testing.assert_array_equal(padded, expected)


@pytest.mark.parametrize("shape", [(8, 12), (5, 7), (8, 7)])
def test_padding_to_a_multiple_mirrors_below_and_right_and_is_cropped_back(shape):
    image = np.random.default_rng(0).uniform(size=(2, *shape, 3)).astype("float32")
    below, right = -shape[0] % 4, -shape[1] % 4
    expected = np.pad(image, [(0, 0), (0, below), (0, right), (0, 0)], mode="reflect")
    layer = PadToMultiple(4)
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 3])])
    for padded in (layer(image), unknown(image)):
        np.testing.assert_array_equal(padded, expected)
    assert layer.compute_output_shape((2, *shape, 3)) == expected.shape
    np.testing.assert_array_equal(CropLike()([layer(image), image[..., :1]]), image)


def test_doubling_equals_keras_bilinear_upsampling_and_knows_no_size_in_a_graph():
    image = np.random.default_rng(0).uniform(size=(2, 5, 3, 4)).astype("float32")
    expected = keras.layers.UpSampling2D(2, interpolation="bilinear")(image)
    layer = BilinearDoubling()
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 4])])
    for made in (layer(image), unknown(image)):
        np.testing.assert_array_equal(made, expected)
    assert layer.compute_output_shape((2, 5, None, 4)) == (2, 10, None, 4)


def test_coordinates_are_the_centres_of_pixels_eager_and_in_a_graph():
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    rows, columns = np.mgrid[-0.75:0.75:4j, -0.8:0.8:5j]
    planes = np.broadcast_to(np.stack([rows, columns], axis=-1), (2, 4, 5, 2))
    expected = np.concatenate([images, planes], axis=-1)
    anything = tf.TensorSpec([None, None, None, 3])
    for layer in (Coordinates(), tf.function(Coordinates(), input_signature=[anything])):
        np.testing.assert_allclose(layer(images), expected, atol=1e-6)
    known = tf.function(Coordinates()).get_concrete_function(tf.TensorSpec([2, 4, 5, 3]))
    assert known.outputs[0].shape == (2, 4, 5, 5)


def test_a_place_has_the_same_coordinates_at_every_size():
    small, large = (Coordinates()(np.zeros((1, n, n, 1), "float32"))[..., 1:] for n in (8, 16))
    np.testing.assert_allclose(tf.nn.avg_pool2d(large, 2, 2, "VALID"), small, atol=1e-6)
