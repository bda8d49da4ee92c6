"""Correlation of two images inside a mask."""

import math

import numpy as np
import tensorflow as tf

from tfcyclegan.data.head import head, regions

FLAT = 1e-5
"""A standard deviation below this, less than a step of 16 bit, is rounding; unit range."""


def mean_correlation(source: np.ndarray, other: np.ndarray) -> float:
    """Returns the mean `correlation` of images [N, H, W, 1] inside the heads of `source`, or NaN.

    Slices where one of them is constant do not count.
    """
    values = correlation(source, other, head(source)).numpy()
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def correlation(x: tf.Tensor, y: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    """Returns Pearson's correlation of two images inside a mask.

    Args:
        x: [N, H, W, 1], unit range.
        y: [N, H, W, 1], unit range.
        masks: bool [N, H, W].

    Returns:
        float32 [N], -1 to 1; NaN where an image is constant inside the mask.
    """
    weights = tf.cast(masks, tf.float64)
    counts = tf.reduce_sum(weights, axis=(1, 2))

    def mean(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(values * weights, axis=(1, 2)) / counts

    # Centred before it is multiplied: raw moments would lose the spread of a bright image.
    x, y = (tf.cast(image[..., 0], tf.float64) for image in (x, y))
    x, y = (image - mean(image)[:, tf.newaxis, tf.newaxis] for image in (x, y))
    spread_x, spread_y = tf.sqrt(mean(x * x)), tf.sqrt(mean(y * y))
    flat = tf.minimum(spread_x, spread_y) < FLAT
    coefficients = tf.where(
        flat, tf.constant(float("nan"), tf.float64), mean(x * y) / spread_x / spread_y
    )
    return tf.cast(coefficients, tf.float32)


def correlations(source: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Returns the mean correlation of images [N, H, W, 1] in each region of `source`, or NaN."""
    means = {}
    for name, mask in regions(source).items():
        values = correlation(source, other, mask).numpy()
        values = values[np.isfinite(values)]
        means[name] = float(values.mean()) if len(values) else math.nan
    return means
