"""Normalised mutual information: how much one image tells of the other, whatever the contrast."""

import numpy as np
from scipy.special import entr

from tfcyclegan.metrics.image_pairs import checked_mask, checked_pair


def nmi(
    a: np.ndarray,
    b: np.ndarray,
    *,
    data_range: float,
    mask: np.ndarray | None = None,
    bins: int = 100,
) -> np.ndarray:
    """Returns (H(a) + H(b)) / H(a, b) of each image pair.

    Equals `skimage.metrics.normalized_mutual_information`: each image has bins between its own
    extremes, so that gain and offset change nothing. `data_range` serves the check only.

    Args:
        a: [N, H, W] or [N, H, W, 1], values in [0, data_range].
        b: As `a`.
        data_range: Largest value the intensity scale can take; 1 for unit range.
        mask: Boolean, shaped as `a`; only its pixels count. None takes the whole frame.
        bins: Bins of each image.

    Returns:
        float64 [N] from 1 (independent) to 2 (each determines the other); NaN for an image whose
        mask is empty, and where both images are constant.

    Raises:
        ValueError: As `image_pairs.checked_pair` and `checked_mask`.

    Reference: Studholme, Hill and Hawkes 1999, doi:10.1016/S0031-3203(98)00091-0.
    """
    a, b = checked_pair(a, b, data_range=data_range)
    mask = checked_mask(mask, a.shape)
    masks = [...] * len(a) if mask is None else mask
    return np.array(
        [_nmi(x[m].ravel(), y[m].ravel(), bins) for x, y, m in zip(a, b, masks, strict=True)]
    )


def _nmi(x: np.ndarray, y: np.ndarray, bins: int) -> float:
    if not x.size:
        return np.nan
    joint = np.histogram2d(x, y, bins=bins)[0] / x.size
    together = entr(joint).sum()
    if together == 0:
        return np.nan
    return (entr(joint.sum(axis=0)).sum() + entr(joint.sum(axis=1)).sum()) / together
