"""Which axial slices show the face rather than the brain: by a mask, or by the head's profile.

Only whole slices are dropped, so eyes beside the brain stay in the image. The card says so.
"""

from collections.abc import Sequence

import numpy as np

from tfcyclegan.data import intensity

HALF = 0.5
"""Smallest share of a slice's foreground that must be brain, where a mask shows the brain."""
BELOW_WIDEST_MM = 30.0
"""Slices farther than this below the head's widest level are dropped.

At that depth a head is at most half brain. On six patients with masks (T2 and FLAIR, 18 to 20
slices) this keeps no slice that `HALF` drops, and drops at most two that `HALF` keeps.
"""

_HEAD = 0.05
"""Share of the image that is foreground where a head begins."""
_CRANIUM_MM = 100.0
"""Depth below the top of a head within which its widest level is looked for.

Jaw and shoulders may be wider, but they lie deeper.
"""
_WIDEST = 0.95
"""Sections of at least this share of the largest count as equally wide, because of noise."""


def find(records: Sequence[dict], foreground: float) -> list[bool]:
    """Tells of each slice whether it lies below the brain.

    Args:
        records: Of all axial slices of one volume, lowest first.
        foreground: A voxel above this, in unit range, is not air.
    """
    images = [intensity.stored_to_unit(r["image/data"]) > foreground for r in records]
    masks = [record["mask/brain"] for record in records]
    if any(mask is None for mask in masks):
        heights_mm = np.array([record["geom/slice_pos_mm"] for record in records])
        return by_profile(heights_mm, np.array([image.mean() for image in images])).tolist()
    areas = np.array([mask.sum() for mask in masks])
    shares = [
        (mask & image).sum() / max(1, image.sum())
        for mask, image in zip(masks, images, strict=True)
    ]
    return by_mask(areas, np.array(shares)).tolist()


def by_mask(areas: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Finds the slices, up to the one with most brain, that are less than half brain.

    Args:
        areas: Voxels of brain [slices].
        shares: Part of the foreground that is brain [slices].
    """
    # Slices above the widest stay: near the vertex a slice is mostly scalp, but shows no face.
    # Without any brain in the mask nothing tells where the face is, so every slice is dropped.
    up_to_widest = np.arange(len(areas)) <= areas.argmax()
    return (shares < HALF) & (up_to_widest | (areas.max() == 0))


def by_profile(heights_mm: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Finds the slices that lie deep below the head's widest level.

    Args:
        heights_mm: Of the slices, ascending [slices].
        shares: Part of the image that is foreground [slices].
    """
    head = shares >= _HEAD
    if not head.any():
        return np.ones(len(shares), bool)
    cranium = heights_mm >= heights_mm[head].max() - _CRANIUM_MM
    widest = cranium & (shares >= _WIDEST * shares[cranium].max())
    return heights_mm < heights_mm[widest].mean() - BELOW_WIDEST_MM
