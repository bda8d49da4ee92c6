"""Heads with blobs inside, bright in one domain where they are dark in the other."""

import numpy as np
from scipy import ndimage

from tfcyclegan.data.slices import Slices

PATIENTS, HEIGHTS, SIZE = 4, 7, 64


def brains(size: int = SIZE, *, inverted: bool) -> np.ndarray:
    """uint16 [PATIENTS * HEIGHTS, size, size]: other blobs in each head and at each height."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    inside = np.hypot(y * 1.1, x) < 0.38
    images = []
    for patient in range(PATIENTS):
        rng = np.random.default_rng(patient)
        blobs = ndimage.gaussian_filter(rng.normal(size=(HEIGHTS + 4, SIZE, SIZE)), (1.2, 2, 2))
        for height in range(HEIGHTS):
            texture = blobs[height + 2] / np.abs(blobs).max()
            zoomed = ndimage.zoom(texture, size / SIZE, order=1)
            value = 0.5 - 0.4 * zoomed if inverted else 0.5 + 0.4 * zoomed
            images.append(np.where(inside, value, 0.0) * 65535)
    return np.array(images).astype(np.uint16)


def slices(images: np.ndarray, patients: int = PATIENTS) -> Slices:
    names = np.repeat([f"{p:02d}" for p in range(patients)], HEIGHTS)
    heights = np.tile(np.linspace(0, 1, HEIGHTS), patients)
    same = ("id/patient", "id/study", "id/frame_of_ref", "geom/grid")
    metadata = dict.fromkeys(same, names) | {
        "geom/slice_frac": heights,
        "geom/frame_pos_mm": (100 * heights).astype(np.float32),
        "geom/slice_spacing_mm": np.full(len(names), 100 / (HEIGHTS - 1), np.float32),
    }
    return Slices(images[: len(names)], metadata)
