"""R1, the squared slope of a discriminator at real images."""

import keras
import tensorflow as tf


def r1_penalty(discriminator: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Returns half the squared length of the slope of each image's score, float32 [N].

    An image's score is the mean of its patches' logits; the slope is by its pixels, not by the
    channels that tell its place. Differentiable by the discriminator's weights.

    Args:
        discriminator: From [N, H, W, C] to logits [N, h, w, 1], in float32 at least: the squares of
            slopes as small as these are lost in half precision.
        images: Real images [N, H, W, C], the pixels in the first channel.

    Reference:
        Mescheder et al. (2018), https://arxiv.org/abs/1801.04406, equation 9 without its weight.
    """
    pixels, place = images[..., :1], images[..., 1:]
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        scores = discriminator(tf.concat([pixels, place], axis=-1), training=True)
        score = tf.reduce_sum(tf.reduce_mean(scores, axis=(1, 2, 3)))  # images do not mix
    slopes = tape.gradient(score, pixels)
    return 0.5 * tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3))
