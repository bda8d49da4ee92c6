"""Losses of a translation whose answer is known, in the images' precision: float32 at least."""

import tensorflow as tf

from tfcyclegan.metrics.ssim import K1, K2, TAPS, valid_region

C1, C2 = K1**2, K2**2
"""For images from 0 to 1."""


def masked_l1(target: tf.Tensor, made: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference inside a mask, [N].

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


def masked_dissimilarity(target: tf.Tensor, made: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns 1 minus the mean structural similarity inside a mask, [N].

    `metrics.ssim` with a mask, whose gradient is that of a few convolutions: SSIM of Wang et al.
    (2004), doi:10.1109/TIP.2003.819861, as a loss (Zhao et al. 2017, doi:10.1109/TCI.2016.2644865).

    Args:
        target: Images [N, H, W, 1], model range, sides of at least 11.
        made: What the generator makes of their partners.
        mask: bool [N, H, W, 1]; where it is empty the loss is 0.
    """
    x, y = ((images + 1.0) / 2.0 for images in (target, made))
    fields = _window_mean(tf.concat([x, y, x * x, y * y, x * y], 0))
    mean_x, mean_y, square_x, square_y, product = tf.split(fields, 5)
    luminance = (2.0 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    covariance, variances = product - mean_x * mean_y, square_x + square_y - mean_x**2 - mean_y**2
    structure = (2.0 * covariance + C2) / (variances + C2)
    inside = tf.cast(valid_region(mask), x.dtype)
    missing = tf.reduce_sum(inside * (1.0 - luminance * structure), axis=(1, 2, 3))
    return tf.math.divide_no_nan(missing, tf.reduce_sum(inside, axis=(1, 2, 3)))


def _window_mean(images: tf.Tensor) -> tf.Tensor:
    """Returns the Gaussian mean about each pixel whose window fits, [N, H - 10, W - 10, 1]."""
    for shape in ((len(TAPS), 1, 1, 1), (1, len(TAPS), 1, 1)):
        taps = tf.constant(TAPS.reshape(shape), images.dtype)
        images = tf.nn.conv2d(images, taps, 1, "VALID")
    return images


def smoothness(displacement: tf.Tensor) -> tf.Tensor:
    """Returns how much a displacement changes from pixel to pixel, [N]; 0 where all move alike.

    The mean square of its differences down, and across: the smoothness term of Kong et al. (2021),
    https://arxiv.org/abs/2110.06465, section 3.3.

    Args:
        displacement: In pixels, [N, H, W, 2].
    """
    down = displacement[:, 1:] - displacement[:, :-1]
    across = displacement[:, :, 1:] - displacement[:, :, :-1]
    return tf.add_n([tf.reduce_mean(tf.square(d), axis=(1, 2, 3)) for d in (down, across)])
