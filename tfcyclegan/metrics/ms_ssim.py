"""Multi-scale structural similarity of Wang, Simoncelli and Bovik 2003."""

import numpy as np

from tfcyclegan.metrics.image_pairs import checked_pair
from tfcyclegan.metrics.ssim import local_terms

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponent of each scale, finest first."""
SMALLEST_SIDE = 161
"""Four halvings, rounded up, leave the 11 pixels of one window."""


def ms_ssim(a: np.ndarray, b: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the five-scale structural similarity of each image.

    The contrast-structure term enters at scales 1 to 4, the full similarity at scale 5, each a mean
    over its map and cut off at 0 before its power. Equals `tf.image.ssim_multiscale` up to its
    float32; scales are halved by 2 x 2 means, an odd side repeats its last row or column.

    Args:
        a: [N, H, W] or [N, H, W, 1], values in [0, data_range], sides of at least 161.
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.

    Returns:
        float64 [N] in [0, 1].

    Raises:
        ValueError: As `image_pairs.checked_pair`. Scales are never dropped silently.

    Reference: Wang, Simoncelli and Bovik 2003, equation 7, doi:10.1109/ACSSC.2003.1292216.
    """
    a, b = checked_pair(a, b, data_range=data_range, smallest_side=SMALLEST_SIDE)
    return np.array([_ms_ssim(x, y, data_range) for x, y in zip(a, b, strict=True)])


def _ms_ssim(a: np.ndarray, b: np.ndarray, data_range: float) -> float:
    value = 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            a, b = _halved(a), _halved(b)
        luminance, structure = local_terms(a, b, data_range)
        last = scale == len(WEIGHTS) - 1
        mean = np.mean(luminance * structure if last else structure)
        value *= max(float(mean), 0.0) ** weight
    return value


def _halved(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    image = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
