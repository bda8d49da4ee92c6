"""Losses of a region of an image, float32 [N]; 0 where the region is empty."""

from collections.abc import Sequence

import tensorflow as tf


def regional_l1(target: tf.Tensor, made: tf.Tensor, region: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference of all channels inside a region, [N].

    The regional L1 of Li et al. (2020), doi:10.3390/s20154203, over brain without lesions.

    Args:
        target: Images [N, H, W, C], model range.
        made: What was painted.
        region: 1 inside and 0 outside, [N, H, W, 1].
    """
    error = tf.reduce_sum(region * tf.abs(made - target), axis=(1, 2, 3))
    return tf.math.divide_no_nan(error, target.shape[-1] * tf.reduce_sum(region, axis=(1, 2, 3)))


def regional_difference(
    target: Sequence[tf.Tensor], made: Sequence[tf.Tensor], region: tf.Tensor
) -> tf.Tensor:
    """Returns the sum over layers of the mean absolute difference inside a region, [N].

    Args:
        target: Maps [N, h, w, d] of real images, one for each layer.
        made: Of painted ones.
        region: 1 inside and 0 outside, [N, H, W, 1]; for a smaller map its mean.
    """
    terms = []
    for real, fake in zip(target, made, strict=True):
        share = tf.image.resize(region, real.shape[1:3], "area")
        apart = tf.reduce_mean(tf.abs(tf.cast(fake, tf.float32) - tf.cast(real, tf.float32)), -1)
        error = tf.reduce_sum(share[..., 0] * apart, axis=(1, 2))
        terms.append(tf.math.divide_no_nan(error, tf.reduce_sum(share, axis=(1, 2, 3))))
    return tf.add_n(terms)


def windows(images: tf.Tensor, region: tf.Tensor, side: int) -> tf.Tensor:
    """Returns the part of each image around the centre of a region, [N, side, side, C].

    The window lies inside the frame, whole. Where the region is empty it is anywhere.

    Args:
        images: [N, H, W, C].
        region: 1 inside and 0 outside, [N, H, W, 1].
        side: Height and width of the windows.
    """
    starts = []
    for axis, length in ((1, images.shape[1]), (2, images.shape[2])):
        along = tf.reduce_sum(region, axis=(3 - axis, 3))
        places = tf.range(length, dtype=region.dtype)
        centre = tf.math.divide_no_nan(tf.reduce_sum(along * places, -1), tf.reduce_sum(along, -1))
        start = tf.cast(tf.round(centre - (side - 1) / 2), tf.int32)
        starts.append(tf.clip_by_value(start, 0, length - side))
    rows, columns = (start[:, tf.newaxis] + tf.range(side) for start in starts)
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)
