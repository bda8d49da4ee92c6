"""What every image metric asks of its two images and of a mask."""

import numpy as np
import tensorflow as tf

RANGE_SLACK = 1e-3
"""Part of the data range by which a pixel may exceed it: resampling and rounding overshoot."""


def checked_pair(
    a: np.ndarray, b: np.ndarray, *, data_range: float, smallest_side: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both images as float64 [N, H, W] after checking them.

    Args:
        a: [N, H, W] or [N, H, W, 1], any real dtype, values in [0, data_range].
        b: As `a`, of the same shape.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        smallest_side: Least height and width that the metric is defined for.

    Returns:
        (a, b) float64 [N, H, W].

    Raises:
        ValueError: The shapes differ or are not grey image batches, a side is too small, a value
            is not finite, negative, or above data_range * (1 + RANGE_SLACK).
    """
    if not (np.isscalar(data_range) and np.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range expected one positive number. Received: {data_range!r}.")
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"Two images expected the same shape. Received: {a.shape}, {b.shape}.")
    if a.ndim == 4 and a.shape[-1] == 1:
        a, b = a[..., 0], b[..., 0]
    if a.ndim != 3 or a.shape[0] == 0:
        raise ValueError(
            f"Grey images expected as [N, H, W] or [N, H, W, 1], N >= 1. Received: {a.shape}; add a"
            " batch axis to one image, score colour channels one by one."
        )
    if min(a.shape[1:]) < smallest_side:
        raise ValueError(
            f"Images expected sides of at least {smallest_side} pixels. Received: {a.shape[1]} x"
            f" {a.shape[2]}; score the slices before they are made smaller."
        )
    return tuple(_checked_values(image, data_range) for image in (a, b))


def checked_mask(mask: np.ndarray | None, shape: tuple[int, int, int]) -> np.ndarray | None:
    """Returns `mask` as Boolean [N, H, W], or None when there is none.

    Raises:
        ValueError: The mask is not Boolean or not of the images' shape.
    """
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.ndim == 4 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise ValueError(
            f"A mask expected dtype bool and shape {shape}. Received: {mask.dtype}, {mask.shape};"
            " write `labels > 0` for a label image."
        )
    return mask


def masked_mean(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Returns [N] means of `values` [N, H, W] inside `mask`, NaN where a mask is empty."""
    if mask is None:
        return values.mean(axis=(1, 2))
    counts = mask.sum(axis=(1, 2))
    sums = np.sum(values, axis=(1, 2), where=mask)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


def graph_pair(
    a: tf.Tensor, b: tf.Tensor, *, smallest_side: int = 2
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns both images as float32 [N, H, W, 1] after checking their static shapes.

    Metrics stay in float32 whatever the precision policy of the model.

    Raises:
        ValueError: As `checked_pair`, for what is known of the shapes while tracing.
    """
    a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
    if not (a.shape.rank == b.shape.rank == 4 and a.shape.is_compatible_with(b.shape)):
        raise ValueError(
            f"Two images expected the same shape [N, H, W, 1]. Received: {a.shape}, {b.shape}."
        )
    if a.shape[-1] not in (1, None):
        raise ValueError(f"Grey images expected as [N, H, W, 1]. Received: {a.shape}.")
    if any(side is not None and side < smallest_side for side in a.shape[1:3]):
        raise ValueError(
            f"Images expected sides of at least {smallest_side} pixels. Received: {a.shape}."
        )
    return a, b


def nan_out_of_range(values: tf.Tensor, *images: tf.Tensor, data_range: float) -> tf.Tensor:
    """Returns `values` [N, ...] with NaN for each image that leaves [0, data_range].

    A compiled graph cannot raise on every device. A NaN in the log is seen; the plausible SSIM of
    an image in [-1, 1] is not (0.352 for 0.358 on a photograph, tensorflow#27749).
    """
    limit = data_range * (1.0 + RANGE_SLACK)
    inside = tf.ones(tf.shape(values)[:1], tf.bool)
    for image in images:
        legal = tf.logical_and(image >= 0.0, image <= limit)
        inside = tf.logical_and(inside, tf.reduce_all(legal, axis=(1, 2, 3)))
    inside = tf.reshape(inside, [-1] + [1] * (values.shape.rank - 1))
    return tf.where(inside, values, tf.constant(float("nan"), values.dtype))


def _checked_values(image: np.ndarray, data_range: float) -> np.ndarray:
    image = image.astype(np.float64)
    if not np.all(np.isfinite(image)):
        raise ValueError("Image values expected to be finite. Received: NaN or infinity.")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > data_range * (1.0 + RANGE_SLACK):
        raise ValueError(
            f"Image values expected in [0, data_range] = [0, {data_range:g}]. Received:"
            f" [{low:g}, {high:g}]; convert with tfcyclegan.data.intensity, or give the data_range"
            " the scale has."
        )
    return image
