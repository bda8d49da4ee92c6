"""Squared, absolute and normalised errors between images, one value per image."""

import numpy as np

from tfcyclegan.metrics.image_pairs import checked_mask, checked_pair, masked_mean


def mse(
    a: np.ndarray, b: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns the mean squared error in units of data_range squared.

    Args:
        a: [N, H, W] or [N, H, W, 1], values in [0, data_range].
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean, shaped as `a`; only its pixels count. None takes the whole frame.

    Returns:
        float64 [N]; NaN for an image whose mask is empty.

    Raises:
        ValueError: As `image_pairs.checked_pair` and `checked_mask`.
    """
    a, b = checked_pair(a, b, data_range=data_range)
    return masked_mean(((a - b) / data_range) ** 2, checked_mask(mask, a.shape))


def mae(
    a: np.ndarray, b: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns the mean absolute error in units of data_range, float64 [N]; arguments as `mse`."""
    a, b = checked_pair(a, b, data_range=data_range)
    return masked_mean(np.abs(a - b) / data_range, checked_mask(mask, a.shape))


def nmse(
    target: np.ndarray,
    prediction: np.ndarray,
    *,
    data_range: float,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Returns |target - prediction|^2 / |target|^2, float64 [N]; arguments as `mse`.

    Not symmetric: the first image is the truth. `data_range` serves the check only, the value has
    no unit. NaN where the target is zero everywhere (inside the mask).

    Reference: Zbontar et al. 2018, fastMRI, arXiv:1811.08839.
    """
    target, prediction = checked_pair(target, prediction, data_range=data_range)
    mask = checked_mask(mask, target.shape)
    error = masked_mean((target - prediction) ** 2, mask)
    power = masked_mean(target**2, mask)
    return np.divide(error, power, out=np.full(len(error), np.nan), where=power > 0)


def nrmse_l2(
    target: np.ndarray,
    prediction: np.ndarray,
    *,
    data_range: float,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Returns |target - prediction| / |target|, the root of `nmse`; arguments as there.

    Equals `skimage.metrics.normalized_root_mse` with `normalization="euclidean"`.
    """
    return np.sqrt(nmse(target, prediction, data_range=data_range, mask=mask))


def nrmse_range(
    target: np.ndarray,
    prediction: np.ndarray,
    *,
    data_range: float,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the root mean squared error over the target's own range; arguments as `nmse`.

    Equals `skimage.metrics.normalized_root_mse` with `normalization="min-max"`. NaN where the
    target is constant (inside the mask).
    """
    target, prediction = checked_pair(target, prediction, data_range=data_range)
    mask = checked_mask(mask, target.shape)
    error = np.sqrt(masked_mean((target - prediction) ** 2, mask))
    inside = True if mask is None else mask
    low = np.min(target, axis=(1, 2), where=inside, initial=np.inf)
    high = np.max(target, axis=(1, 2), where=inside, initial=-np.inf)
    return np.divide(error, high - low, out=np.full(len(error), np.nan), where=high > low)
