"""Where the head is in a slice: its whole, its inside and its rim."""

import numpy as np
from scipy import ndimage

RIM = 0.06
"""Thickness of the rim of a head as a share of the frame."""


def head(images: np.ndarray, at_least: float = -np.inf) -> np.ndarray:
    """Returns where the head is: what is brighter than the slice's mean, and all that it encloses.

    Args:
        images: float32 [N, H, W, 1].
        at_least: What is not brighter than this is no head either. Where a slice may hold little
            or no head, `intensity.FOREGROUND` keeps the noise of air out.

    Returns:
        bool [N, H, W].
    """
    limit = np.maximum(images.mean(axis=(1, 2, 3)), np.float32(at_least))
    bright = images[..., 0] > limit[:, np.newaxis, np.newaxis]
    filled = [ndimage.binary_fill_holes(mask) for mask in bright]
    return np.stack(filled) if filled else bright


def inside_and_rim(heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the inside of heads, where fluid decides, and their rim: skin, fat and skull.

    Args:
        heads: bool [N, H, W], of `head`.
    """
    width = max(1, round(RIM * heads.shape[1]))
    inside = np.stack([ndimage.binary_erosion(mask, iterations=width) for mask in heads])
    return inside, heads & ~inside


REGIONS = ("inside", "rim")


def regions(images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns where the inside and the rim of each head are, bool [N, H, W].

    Args:
        images: float32 [N, H, W, 1], unit range.
    """
    return dict(zip(REGIONS, inside_and_rim(head(images)), strict=True))
