"""How blurred an image is by itself: SSIM hardly sees what a smooth translation has lost."""

import numpy as np
from scipy import ndimage

from tfcyclegan.metrics.image_pairs import checked_mask, checked_pair

WINDOW = 11
"""Pixels of the mean filter that an image is compared with."""
_MARGIN = 2
_FLAT = float(np.finfo(np.float64).eps)
"""Smallest gradient, which keeps a flat image's ratio defined."""


def blur_effect(
    images: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns the blur of each image: 0 is sharp, 1 cannot be blurred further.

    Blurring a sharp image changes its gradients much, blurring a smooth one little. Equals
    `skimage.measure.blur_effect(image, h_size=11)`. Read the translation's value beside that of the
    real image: there is no absolute scale.

    Args:
        images: [N, H, W] or [N, H, W, 1], values in [0, data_range], sides of at least 11.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean, shaped as `images`; gradients are summed over its pixels.

    Returns:
        float64 [N]; NaN for an image whose mask has no pixel two or more from the border.

    Raises:
        ValueError: As `image_pairs.checked_pair` and `checked_mask`.

    Reference: Crete et al. 2007, doi:10.1117/12.702790.
    """
    images, _ = checked_pair(images, images, data_range=data_range, smallest_side=WINDOW)
    mask = checked_mask(mask, images.shape)
    weights = np.ones(images.shape) if mask is None else mask.astype(np.float64)
    return np.array([_blur(image, w) for image, w in zip(images, weights, strict=True)])


def _blur(image: np.ndarray, weights: np.ndarray) -> float:
    # Rows and columns lose two pixels before and one after, as scikit-image has it.
    inner = tuple(slice(_MARGIN, side - 1) for side in image.shape)
    if not weights[inner].any():
        return np.nan
    ratios = []
    for axis in (0, 1):
        sharp = _gradient(image, axis)
        smooth = _gradient(ndimage.uniform_filter1d(image, WINDOW, axis=axis), axis)
        total = np.sum((sharp * weights)[inner])
        lost = np.sum((np.maximum(sharp - smooth, 0.0) * weights)[inner])
        ratios.append(abs(total - lost) / total)
    return max(ratios)


def _gradient(image: np.ndarray, axis: int) -> np.ndarray:
    # scikit-image's Sobel filter has weights that sum to 1, SciPy's sum to 8.
    return np.maximum(np.abs(ndimage.sobel(image, axis=axis)) / 8.0, _FLAT)
