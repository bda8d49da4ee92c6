"""Peak signal-to-noise ratio: per image, averaged over slices, and pooled over volumes."""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcyclegan.metrics.image_pairs import graph_pair, nan_out_of_range
from tfcyclegan.metrics.pixel_errors import mse


class SliceMean(NamedTuple):
    """Mean over the slices that have a finite value, and how many have none."""

    mean: float
    n_averaged: int
    n_identical: int
    n_undefined: int


def psnr(
    a: np.ndarray, b: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns 10 log10(data_range^2 / MSE) of each image, in dB.

    `data_range` is the declared range, never a maximum of the images: dividing by the maximum
    turns a gain error of 0.8 from 21.7 dB into 333 dB. To match scikit-image and `tf.image.psnr`,
    give them the same `data_range` (`max_val`).

    Args:
        a: [N, H, W] or [N, H, W, 1], values in [0, data_range].
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean, shaped as `a`; only its pixels count. None takes the whole frame.

    Returns:
        float64 [N]; +inf for identical images, NaN where the mask is empty.

    Raises:
        ValueError: As `image_pairs.checked_pair` and `checked_mask`.
    """
    return _decibel(mse(a, b, data_range=data_range, mask=mask))


def psnr_slice_mean(values: np.ndarray) -> SliceMean:
    """Returns the mean of per-slice dB values [N]; infinite and NaN slices are counted instead.

    The mean is NaN when no slice is finite.
    """
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if finite.size else math.nan
    identical = int(np.isposinf(values).sum())
    return SliceMean(mean, finite.size, identical, values.size - finite.size - identical)


def psnr_volume(
    a: np.ndarray,
    b: np.ndarray,
    *,
    volumes: Sequence[Hashable],
    data_range: float,
    mask: np.ndarray | None = None,
) -> dict[Hashable, float]:
    """Returns the PSNR of each volume in dB, from one MSE pooled over its pixels.

    This is the headline, because the mean of slice values rewards easy slices: MSE of 1e-4, 1e-3
    and 1e-2 are 30.00 dB as a slice mean and 24.32 dB pooled.

    Args:
        a: Slices [N, H, W] or [N, H, W, 1] of any number of volumes, values in [0, data_range].
        b: As `a`.
        volumes: N ids; slices with equal ids (volume or patient) are pooled.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean, shaped as `a`; only its pixels count. None takes the whole frame.

    Returns:
        dB by id, in the order of first appearance; NaN for a volume whose mask is empty.

    Raises:
        ValueError: As `psnr`, or N ids were not given.
    """
    errors = mse(a, b, data_range=data_range, mask=mask)
    counted = np.ones(np.shape(a), bool) if mask is None else np.asarray(mask)
    pixels = counted.reshape(len(errors), -1).sum(axis=1)
    return pooled_psnr(errors, pixels=pixels, volumes=volumes)


def pooled_psnr(
    errors: np.ndarray, *, pixels: np.ndarray, volumes: Sequence[Hashable]
) -> dict[Hashable, float]:
    """Returns the PSNR of each volume in dB from what `mse` said of its slices.

    Args:
        errors: [N] mean squared errors in units of data_range squared; NaN where `pixels` is 0.
        pixels: [N] numbers of pixels behind each error.
        volumes: N ids.

    Raises:
        ValueError: The three arguments differ in length.
    """
    if not len(errors) == len(pixels) == len(volumes):
        raise ValueError(
            "Slices expected one error, one pixel count and one volume id each. Received:"
            f" {len(errors)}, {len(pixels)}, {len(volumes)}."
        )
    sums: dict[Hashable, float] = {}
    counts: dict[Hashable, int] = {}
    for error, count, volume in zip(errors, pixels, volumes, strict=True):
        # An empty slice has error NaN and no pixels: it must not make the volume NaN.
        sums[volume] = sums.get(volume, 0.0) + (float(error) * int(count) if count else 0.0)
        counts[volume] = counts.get(volume, 0) + int(count)
    return {
        volume: float(_decibel(np.float64(sums[volume] / counts[volume])))
        if counts[volume]
        else math.nan
        for volume in sums
    }


def psnr_graph(a: tf.Tensor, b: tf.Tensor, *, data_range: float) -> tf.Tensor:
    """Float32 graph version of `psnr`, for use while training; agrees to 1e-4 dB.

    Args:
        a: [N, H, W, 1] any real dtype, values in [0, data_range].
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.

    Returns:
        float32 [N]; +inf for identical images, NaN for images outside [0, data_range].

    Raises:
        ValueError: As `image_pairs.graph_pair`.
    """
    a, b = graph_pair(a, b)
    errors = tf.reduce_mean(tf.square((a - b) / data_range), axis=(1, 2, 3))
    decibel = tf.math.log(errors) * (-10.0 / math.log(10.0))
    return nan_out_of_range(decibel, a, b, data_range=data_range)


def _decibel(errors: np.ndarray) -> np.ndarray:
    # Identical images are the declared infinity, no accident that deserves a warning.
    with np.errstate(divide="ignore"):
        return -10.0 * np.log10(errors)
