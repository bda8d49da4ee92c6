"""PSNR and SSIM after each image is divided by itself, as some published tables have them.

What images are divided by decides the value more than the translation does: by its own maximum, a
gain error of 0.8 goes from 21.7 dB to over 300 dB. For comparison with such tables only.
"""

import math

import numpy as np

from tfcyclegan.metrics.image_pairs import checked_pair
from tfcyclegan.metrics.ssim import SMALLEST_SIDE, local_terms


def psnr_maxnorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the PSNR after dividing each image by its own maximum, in dB, float64 [N].

    Only for comparison with tables made so (SynDiff, ResViT): it forgives any gain. Images and
    errors as `psnr`; `data_range` serves the check only. NaN where an image is zero everywhere.
    """
    return _psnr(*_divided(target, prediction, np.max, data_range), peak=1.0)


def psnr_meannorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the PSNR after dividing each image by its own mean, the peak being the target's.

    Only for comparison with tables made so (SelfRDB); otherwise as `psnr_maxnorm`.
    """
    target, prediction = _divided(target, prediction, np.mean, data_range)
    return _psnr(target, prediction, peak=target.max(axis=(1, 2)))


def ssim_maxnorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the SSIM after dividing each image by its own maximum; see `psnr_maxnorm`."""
    target, prediction = _divided(target, prediction, np.max, data_range)
    return _ssim(target, prediction, np.ones(len(target)))


def ssim_meannorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the SSIM after dividing each image by its own mean; see `psnr_meannorm`.

    SelfRDB takes a uniform 7 x 7 window where this takes that of `ssim`.
    """
    target, prediction = _divided(target, prediction, np.mean, data_range)
    return _ssim(target, prediction, target.max(axis=(1, 2)))


def _divided(target, prediction, statistic, data_range) -> tuple[np.ndarray, np.ndarray]:
    images = checked_pair(target, prediction, data_range=data_range, smallest_side=SMALLEST_SIDE)
    with np.errstate(invalid="ignore"):
        return tuple(image / statistic(image, axis=(1, 2), keepdims=True) for image in images)


def _psnr(target: np.ndarray, prediction: np.ndarray, peak: float | np.ndarray) -> np.ndarray:
    error = np.mean((target - prediction) ** 2, axis=(1, 2))
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(peak**2 / error)


def _ssim(target: np.ndarray, prediction: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    triples = zip(target, prediction, ranges, strict=True)
    return np.array([np.mean(math.prod(local_terms(a, b, top))) for a, b, top in triples])
