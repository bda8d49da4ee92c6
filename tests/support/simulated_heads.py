"""Heads as discs with a ventricle, whose correlations are known."""

import numpy as np

from tfcyclegan.data.slices import Slices

SIZE = 32
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
HEAD = np.hypot(ROWS, COLUMNS) < 12
VENTRICLE = np.hypot(ROWS, COLUMNS) < 4


def slices(images: np.ndarray) -> Slices:
    names = np.array([b"p"] * len(images))
    metadata = {"id/patient": names, "id/series": names}
    stored = np.rint(images * 65535).astype(np.uint16)
    return Slices(stored, {**metadata, "geom/slice_index": np.arange(len(images))})


def heads(ventricle: float, count: int = 4) -> np.ndarray:
    """Heads with a gradient in their tissue, black outside."""
    tissue = 0.5 + 0.01 * COLUMNS + 0.002 * np.arange(count)[:, np.newaxis, np.newaxis]
    return np.where(VENTRICLE, ventricle, tissue) * HEAD
