"""Volumes of the phantom, and text that is drawn on them."""

import functools

import cv2
import numpy as np

from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.head import simulate
from tfcyclegan.imaging.phantom.scanner import scan


@functools.cache
def phantom(seed: int) -> list[np.ndarray]:
    """Stored values of a simulated T2 and FLAIR."""
    grid, rng = Grid(160, 10), np.random.default_rng(seed)
    series = scan(simulate(grid, rng).fractions, grid, rng)
    return [series[name].pixels.astype(np.float32) for name in ("t2", "flair")]


def draw(volume, text, size, corner, level, *, everywhere):
    """Returns a copy with a text in a corner, on all slices or on the middle one."""
    scale, thickness = size
    height, width = volume.shape[1:]
    (across, up), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    place = (3 if corner % 2 == 0 else max(3, width - across - 3), 3 + up)
    place = place if corner < 2 else (place[0], height - 6)
    marks = np.zeros((height, width), np.uint8)
    cv2.putText(marks, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, thickness)
    changed = volume.copy()
    chosen = slice(None) if everywhere else slice(len(volume) // 2, len(volume) // 2 + 1)
    changed[chosen, marks > 0] = np.rint(level * volume.max())
    return changed
