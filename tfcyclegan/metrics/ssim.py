"""Structural similarity as Wang et al. 2004 published it: Gaussian window, valid region."""

import functools
import math

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfcyclegan.metrics.image_pairs import (
    checked_mask,
    checked_pair,
    graph_pair,
    masked_mean,
    nan_out_of_range,
)

RADIUS = 5
"""Pixels on each side of a window's centre."""
SIGMA = 1.5
"""Standard deviation of the Gaussian window, pixels."""
K1, K2 = 0.01, 0.03
SMALLEST_SIDE = 2 * RADIUS + 1

TAPS = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
TAPS /= TAPS.sum()
"""Weights of the window along one axis."""


def ssim(
    a: np.ndarray, b: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns the mean structural similarity of each image, float64.

    11-tap Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, mean of the
    map over the region where the window fits. To match scikit-image, set
    `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`; its defaults are another
    metric. `tf.image.ssim` is the same in float32. TorchMetrics pads by reflection and differs.

    Args:
        a: [N, H, W] or [N, H, W, 1], values in [0, data_range], sides of at least 11.
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean, shaped as `a`; the mean is taken over the map at its pixels. Windows that
            cross its edge are kept: the images are not multiplied by the mask.

    Returns:
        float64 [N] in [-1, 1]; NaN where the mask has no pixel in the valid region.

    Raises:
        ValueError: As `image_pairs.checked_pair` and `checked_mask`.

    Reference: Wang et al. 2004, equation 13, doi:10.1109/TIP.2003.819861.
    """
    a, b = checked_pair(a, b, data_range=data_range, smallest_side=SMALLEST_SIDE)
    mask = checked_mask(mask, a.shape)
    return masked_mean(_ssim_map(a, b, data_range), None if mask is None else valid_region(mask))


def ssim_map(a: np.ndarray, b: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the local similarities float64 [N, H - 10, W - 10]; arguments as `ssim`.

    The value at (i, j) belongs to the pixel (i + 5, j + 5) of the images.
    """
    a, b = checked_pair(a, b, data_range=data_range, smallest_side=SMALLEST_SIDE)
    return _ssim_map(a, b, data_range)


def valid_region(mask: np.ndarray) -> np.ndarray:
    """Returns the part of [N, H, W] where the window fits, [N, H - 10, W - 10]."""
    return mask[:, RADIUS:-RADIUS, RADIUS:-RADIUS]


def interior(mask: np.ndarray) -> np.ndarray:
    """Returns the pixels of a Boolean [N, H, W] whose whole 11 x 11 window lies in the mask.

    The mask of the `_interior` variants, which no background reaches.
    """
    side = (1, SMALLEST_SIDE, SMALLEST_SIDE)
    return ndimage.binary_erosion(mask, structure=np.ones(side, bool))


def local_terms(a: np.ndarray, b: np.ndarray, data_range: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the luminance map l and the contrast-structure map cs of one checked image pair.

    Args:
        a: float64 [H, W].
        b: float64 [H, W].
        data_range: Largest value the intensity scale can take.

    Returns:
        (l, cs) float64 [H - 10, W - 10]; their product is the map of equation 13.
    """
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    products = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    # Only the sum of the two variances occurs, which saves one of five filters.
    covariance = _window_mean(a * b) - products
    variances = _window_mean(a * a + b * b) - squares
    return (2 * products + c1) / (squares + c1), (2 * covariance + c2) / (variances + c2)


def ssim_graph(
    a: tf.Tensor, b: tf.Tensor, *, data_range: float, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Float32 graph version of `ssim`, for use while training; agrees to 2e-5.

    Args:
        a: [N, H, W, 1] any real dtype, values in [0, data_range], sides of at least 11.
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean [N, H, W, 1], as in `ssim`.

    Returns:
        float32 [N] in [-1, 1]; NaN where the mask has no pixel in the valid region, and for images
        outside [0, data_range].

    Raises:
        ValueError: As `image_pairs.graph_pair`, or the mask is not Boolean or not of their shape.
    """
    a, b = graph_pair(a, b, smallest_side=SMALLEST_SIDE)
    # Variances are those of images about their own mean, whose squares lose fewer digits.
    level_a, level_b = (tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True) for x in (a, b))
    x, y = a - level_a, b - level_b
    mean_x, mean_y, products, powers = tf.split(
        _compiled_window_mean()(tf.concat([x, y, x * y, x * x + y * y], axis=0)), 4
    )
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mean_a, mean_b = mean_x + level_a, mean_y + level_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * (products - mean_x * mean_y) + c2) / (powers - mean_x**2 - mean_y**2 + c2)
    weights = tf.ones_like(luminance) if mask is None else _mask_weights(mask, a.shape)
    values = tf.reduce_sum(luminance * structure * weights, axis=(1, 2, 3))
    values /= tf.reduce_sum(weights, axis=(1, 2, 3))
    return nan_out_of_range(values, a, b, data_range=data_range)


def _ssim_map(a: np.ndarray, b: np.ndarray, data_range: float) -> np.ndarray:
    # One image at a time keeps the fields of a slice in the processor's cache.
    return np.stack([math.prod(local_terms(x, y, data_range)) for x, y in zip(a, b, strict=True)])


def _window_mean(image: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        image = ndimage.correlate1d(image, TAPS, axis=axis)
    return image[RADIUS:-RADIUS, RADIUS:-RADIUS]


def _mask_weights(mask: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    if mask.dtype != tf.bool or not (mask.shape.rank == 4 and mask.shape.is_compatible_with(shape)):
        raise ValueError(
            f"A mask expected dtype bool and shape {shape}. Received: {mask.dtype.name},"
            f" {mask.shape}; write `labels > 0` for a label image."
        )
    return tf.cast(valid_region(mask), tf.float32)


@functools.cache
def _compiled_window_mean():
    # XLA makes one loop of the sums, seven times as fast on a CPU. On a GPU they are fast as they
    # are, and XLA there needs parts of CUDA that not every installation has.
    on_cpu = not tf.config.list_physical_devices("GPU")
    return tf.function(_window_mean_graph, jit_compile=True if on_cpu else None)


def _window_mean_graph(images: tf.Tensor) -> tf.Tensor:
    # Sums of shifted images, not a convolution: those run in TensorFloat-32 on recent GPUs, whose
    # 10 bits lose the variances, and answer a wrong shape to the empty batch of an idle replica.
    for axis in (1, 2):
        size = tf.shape(images)[axis] - 2 * RADIUS
        total = TAPS[RADIUS] * _shifted(images, axis, RADIUS, size)
        for k in range(RADIUS):
            near, far = (_shifted(images, axis, start, size) for start in (k, 2 * RADIUS - k))
            total += TAPS[k] * (near + far)
        images = total
    return images


def _shifted(images: tf.Tensor, axis: int, start: int, size: tf.Tensor) -> tf.Tensor:
    window = slice(start, start + size)
    return images[:, window] if axis == 1 else images[:, :, window]
