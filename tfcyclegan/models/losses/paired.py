"""Losses of a translation whose answer is known."""

import tensorflow as tf


def masked_l1(target: tf.Tensor, made: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference inside a mask, float32 [N].

    The L1 term of Isola et al. (2017), https://arxiv.org/abs/1611.07004, section 3.1. It leaves out
    the air, which is most of a slice near the top of a head and says nothing of a translation.

    Args:
        target: Images [N, H, W, 1], model range.
        made: What the generator makes of their partners.
        mask: bool [N, H, W, 1]; where it is empty the loss is 0.
    """
    inside = tf.cast(mask, target.dtype)
    error = tf.reduce_sum(inside * tf.abs(made - target), axis=(1, 2, 3))
    return tf.math.divide_no_nan(error, tf.reduce_sum(inside, axis=(1, 2, 3)))
