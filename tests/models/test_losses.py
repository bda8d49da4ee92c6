"""Hand numbers for equations 6 to 9."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.losses import adversarial

SCORES = tf.constant([[[[0.0], [2.0]]], [[[-1.0], [1.0]]]])  # [2, 1, 2, 1]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_generator_vanilla_is_minus_log_sigmoid():
    expected = [(softplus(0) + softplus(-2)) / 2, (softplus(1) + softplus(-1)) / 2]
    made = adversarial.generator_adversarial_loss(SCORES, kind="vanilla")
    np.testing.assert_allclose(made, expected, rtol=1e-6)


def test_generator_lsgan_is_squared_distance_from_one():
    made = adversarial.generator_adversarial_loss(SCORES, kind="lsgan")
    np.testing.assert_allclose(made, [(1 + 1) / 2, (4 + 0) / 2], rtol=1e-6)


def test_discriminator_lsgan_is_half_the_sum_and_knows_real_from_fake():
    real, fake = tf.fill([1, 2, 2, 1], 0.75), tf.fill([1, 2, 2, 1], 0.5)
    made = adversarial.discriminator_adversarial_loss(real, fake, kind="lsgan")
    np.testing.assert_allclose(made, [0.5 * (0.25**2 + 0.5**2)], rtol=1e-6)


def test_discriminator_vanilla_that_cannot_tell_scores_log_two():
    zeros = tf.zeros([3, 2, 2, 1])
    made = adversarial.discriminator_adversarial_loss(zeros, zeros, kind="vanilla")
    np.testing.assert_allclose(made, [math.log(2)] * 3, rtol=1e-6)


def test_cycle_loss_is_a_mean_per_example():
    real = tf.constant([[[[0.0], [1.0]]], [[[0.5], [0.5]]]])
    cycled = tf.constant([[[[0.5], [0.0]]], [[[0.5], [0.5]]]])
    np.testing.assert_allclose(adversarial.cycle_loss(real, cycled), [0.75, 0.0], rtol=1e-6)


def test_unknown_adversarial_loss_is_named():
    with pytest.raises(ValueError, match="expected one of .*lsgan.*Received: 'hinge'"):
        adversarial.generator_adversarial_loss(SCORES, kind="hinge")
