"""R1 in closed form, against finite differences, and through the rooms it differentiates twice."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.losses.gradient_penalty import r1_penalty
from tfcyclegan.models.networks.convolution import convolved
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.layers import InstanceNormalization, instance_normalized


def discriminator(positions: bool = False, seed: int = 1) -> keras.Model:
    return build_discriminator(
        filters=4, initializer="he_normal", seed=seed, name="d", positions=positions
    )


def images(n: int = 2, channels: int = 1, dtype: str = "float32") -> tf.Tensor:
    return tf.constant(np.random.default_rng(3).uniform(-1, 1, (n, 32, 32, channels)), dtype)


def test_the_penalty_of_a_linear_score_is_half_its_squared_weights():
    # Score: mean of 9 patches, each 2 x one pixel - 3 x its right neighbour.
    layer = keras.layers.Conv2D(1, (1, 2), use_bias=False)
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.array([2.0, -3.0]).reshape(1, 2, 1, 1)])
    # In each of 3 rows: 2, -1, -1, -3 ninths.
    expected = 0.5 * 3 * (4 + 1 + 1 + 9) / 81
    np.testing.assert_allclose(r1_penalty(model, tf.zeros((5, 3, 4, 1))), [expected] * 5, rtol=1e-6)


def in_float64(compute):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        return compute()
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("positions", [False, True])
def test_penalty_and_its_gradient_equal_finite_differences(positions):
    model = in_float64(lambda: discriminator(positions))
    reals, rng = images(2, 1 + positions, "float64"), np.random.default_rng(0)

    def score(x) -> np.ndarray:
        return tf.reduce_mean(model(x), axis=(1, 2, 3)).numpy()

    # Along a direction: the slope of the score. The penalty's is the largest of all directions'.
    with tf.GradientTape() as tape:
        penalty = r1_penalty(model, reals)
        total = tf.reduce_sum(penalty)
    gradients = tape.gradient(total, model.trainable_variables)
    direction = np.zeros(reals.shape)
    direction[..., 0] = rng.normal(size=reals.shape[:3])
    with tf.GradientTape() as tape:
        tape.watch(reals)
        value = tf.reduce_sum(tf.reduce_mean(model(reals), axis=(1, 2, 3)))
    slope = tape.gradient(value, reals).numpy()[..., 0]
    step = 1e-6 * direction
    measured = (score(reals + step) - score(reals - step)) / 2e-6
    np.testing.assert_allclose((slope * direction[..., 0]).sum(axis=(1, 2)), measured, rtol=1e-5)
    np.testing.assert_allclose(penalty, 0.5 * (slope**2).sum(axis=(1, 2)), rtol=1e-9)

    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        if gradient is None:  # the last bias moves no slope
            assert variable.shape == (1,)
            continue
        along, start = rng.normal(size=variable.shape), variable.numpy()
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * 1e-6 * along)
            ends.append(float(tf.reduce_sum(r1_penalty(model, reals))))
        variable.assign(start)
        expected = (ends[0] - ends[1]) / 2e-6
        made = float(tf.reduce_sum(gradient * along))
        assert made == pytest.approx(expected, rel=1e-4, abs=1e-7 * float(total)), variable.path


def test_instance_norm_and_the_other_convolution_have_right_second_derivatives():
    layer, x = InstanceNormalization(), images(1, 3)
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 2)), tf.float32)

    def slope_of_slope(function) -> list:
        with tf.GradientTape() as outer:
            outer.watch([x, kernel])
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(tf.sin(3.0 * function(x)))
            length = tf.reduce_sum(tf.square(tape.gradient(value, x)))
        return [g for g in outer.gradient(length, [x, kernel]) if g is not None]

    made = slope_of_slope(layer)  # of the fused kernel
    # Five copies take the form without the fused kernel.
    expected = slope_of_slope(lambda x: instance_normalized(tf.repeat(x, 5, axis=0))[:1])
    np.testing.assert_allclose(made[0], expected[0], atol=1e-4 * np.abs(expected[0]).max())

    # 32 x 32 pixels are enough for the other form.
    made = slope_of_slope(lambda x: convolved(x, kernel))
    expected = slope_of_slope(lambda x: tf.nn.conv2d(x, kernel, 1, "VALID"))
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())
