"""Losses of images that are made from random numbers, float32 [N]."""

from collections.abc import Callable

import tensorflow as tf

REAL_TARGETS, MADE_TARGETS = (0.7, 1.2), (0.0, 0.3)
"""Between which a discriminator's targets are drawn, as in the code of Kossen et al. (2021)."""


def feature_matching(real: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
    """Returns how far the mean features of two batches are apart, [N], the same for each example.

    The mean absolute difference of the batches' means (Salimans et al. 2016, arXiv:1606.03498,
    section 3.1). The code of Kossen et al. (2021) compares the n-th real image with the n-th made
    one, which have nothing in common, and so pulls all of them to one.

    Args:
        real: Features of real images, [N, h, w, d].
        made: Of made ones, [N, h, w, d].
    """
    apart = tf.reduce_mean(tf.cast(real, tf.float32), 0) - tf.reduce_mean(
        tf.cast(made, tf.float32), 0
    )
    return tf.repeat(tf.reduce_mean(tf.abs(apart)), made.shape[0])


def smoothed(scores: tf.Tensor, targets: tuple[float, float], seed: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of logits [N, 1] with targets that are drawn for each, [N].

    Args:
        scores: Logits.
        targets: Between which each target is drawn.
        seed: int64 [2].
    """
    drawn = tf.random.stateless_uniform(scores.shape, seed, *targets)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=drawn, logits=scores)[:, 0]


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Returns the squared distance from 1 of the length of a critic's slope, [N].

    At one point for each example, drawn between a real and a made image (Gulrajani et al. 2017,
    arXiv:1704.00028, equation 3, without its weight).

    Args:
        critic: From images [N, H, W, 1] to scores [N, 1]; examples must not mix.
        real: Real images.
        made: Made images.
        seed: int64 [2].
    """
    share = tf.random.stateless_uniform((real.shape[0], 1, 1, 1), seed)
    between = real + share * (made - real)
    with tf.GradientTape() as tape:
        tape.watch(between)
        score = tf.reduce_sum(critic(between))
    slope = tf.reshape(tape.gradient(score, between), [real.shape[0], -1])
    # The slope of a length of 0 is not a number.
    length = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=1) + 1e-12)
    return tf.square(length - 1.0)
