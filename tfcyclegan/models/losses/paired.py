"""Losses of a translation whose answer is known, in the images' precision: float32 at least."""

import tensorflow as tf

from tfcyclegan.data.intensity import FOREGROUND
from tfcyclegan.metrics.ssim import K1, K2, TAPS, valid_region

DATA_RANGE = 0.5
"""Of the tissue of a brain in unit range, about; the scalp and fluid are brighter."""
C1, C2 = (K1 * DATA_RANGE) ** 2, (K2 * DATA_RANGE) ** 2
ORDINARY = 1.2
"""Brightness that ordinary tissue hardly exceeds in both sequences, in means of the head."""


def masked_l1(
    target: tf.Tensor, made: tf.Tensor, mask: tf.Tensor, emphasis: tf.Tensor | float = 1.0
) -> tf.Tensor:
    """Returns the mean absolute difference inside a mask, [N].

    The L1 term of Isola et al. (2017), https://arxiv.org/abs/1611.07004, section 3.1. It leaves out
    the air, which is most of a slice near the top of a head and says nothing of a translation.

    Args:
        target: Images [N, H, W, 1], model range.
        made: What the generator makes of their partners.
        mask: bool [N, H, W, 1]; where it is empty the loss is 0.
        emphasis: What the error of a pixel is multiplied with, [N, H, W, 1].
    """
    inside = tf.cast(mask, target.dtype)
    error = tf.reduce_sum(inside * emphasis * tf.abs(made - target), axis=(1, 2, 3))
    return tf.math.divide_no_nan(error, tf.reduce_sum(inside, axis=(1, 2, 3)))


def bright_in_both(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Returns how bright the darker image of a pair is, [N, H, W, 1]; 0 in ordinary tissue.

    In T2 and in FLAIR alike, lesions and oedema are brighter than the tissue around them. Fluid is
    bright in T2 alone. Brightness is counted in means of what an image has above the air, from
    `ORDINARY` on: that differs less between patients than the brightness itself.

    Args:
        one: Images [N, H, W, 1], model range.
        other: The other slice of each pair.
    """
    brightness = []
    for images in (one, other):
        unit = (images + 1.0) / 2.0
        signal = tf.cast(unit > FOREGROUND, unit.dtype)
        total = tf.reduce_sum(signal * unit, axis=(1, 2, 3), keepdims=True)
        size = tf.reduce_sum(signal, axis=(1, 2, 3), keepdims=True)
        brightness.append(tf.math.divide_no_nan(unit * size, total))
    return tf.nn.relu(tf.minimum(*brightness) - ORDINARY)


def masked_dissimilarity(target: tf.Tensor, made: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns 1 minus the mean structural similarity inside a mask, [N].

    `metrics.ssim` with a mask, whose gradient is that of a few convolutions: SSIM of Wang et al.
    (2004), doi:10.1109/TIP.2003.819861, as a loss (Zhao et al. 2017, doi:10.1109/TCI.2016.2644865).
    Its constants are for the range of tissue, so that the structure of tissue is not noise to it.

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
