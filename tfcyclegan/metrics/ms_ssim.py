"""Multi-scale structural similarity of Wang, Simoncelli and Bovik 2003."""

import numpy as np

from tfcyclegan.metrics.image_pairs import checked_pair
from tfcyclegan.metrics.ssim import RADIUS, local_terms

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponent of each scale, finest first."""


def ms_ssim_name(scales: int) -> str:
    """Returns the name of the value: fewer scales are another metric."""
    return "ms_ssim" if scales == len(WEIGHTS) else f"ms_ssim_{scales}scale"


def ms_ssim(
    a: np.ndarray, b: np.ndarray, *, data_range: float, scales: int = len(WEIGHTS)
) -> np.ndarray:
    """Returns the multi-scale structural similarity of each image.

    Every scale but the last has its contrast-structure term, the last its full similarity. Each is
    a mean over its map, cut off at 0 and then raised to its power. Scales are halved by means of
    2 x 2 pixels, and an odd side repeats its last row or column. Equals
    `tf.image.ssim_multiscale` up to its float32.

    Args:
        a: [N, H, W] or [N, H, W, 1], values in [0, data_range], sides of at least 161; 81 for four
            scales.
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        scales: 2 to 5, the published number; fewer take the first weights, scaled to the sum 1, and
            must be reported as `ms_ssim_name(scales)`.

    Returns:
        float64 [N] in [0, 1].

    Raises:
        ValueError: As `image_pairs.checked_pair`, or `scales` is out of range. Scales are never
            dropped silently.

    Reference: Wang, Simoncelli and Bovik 2003, equation 7, doi:10.1109/ACSSC.2003.1292216.
    """
    if not 2 <= scales <= len(WEIGHTS):
        raise ValueError(f"scales expected 2 to {len(WEIGHTS)}. Received: {scales}.")
    # Each halving, rounded up, has to leave the 11 pixels of one window.
    smallest = 2 * RADIUS * 2 ** (scales - 1) + 1
    a, b = checked_pair(a, b, data_range=data_range, smallest_side=smallest)
    weights = np.array(WEIGHTS[:scales])
    if scales < len(WEIGHTS):
        weights /= weights.sum()
    return np.array([_ms_ssim(x, y, data_range, weights) for x, y in zip(a, b, strict=True)])


def _ms_ssim(a: np.ndarray, b: np.ndarray, data_range: float, weights: np.ndarray) -> float:
    value = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            a, b = _halved(a), _halved(b)
        luminance, structure = local_terms(a, b, data_range)
        is_last = scale == len(weights) - 1
        mean = np.mean(luminance * structure if is_last else structure)
        value *= max(float(mean), 0.0) ** weight
    return value


def _halved(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    image = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
