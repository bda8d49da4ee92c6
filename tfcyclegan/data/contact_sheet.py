"""Images laid out as one picture."""

import numpy as np

BORDER = 2
"""White pixels between the pictures of a grid."""


def grid(columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """Lays images out with one column per kind and one row per slice.

    Args:
        columns: Each float32 [N, H, W, 1], unit range.

    Returns:
        float32 [N * (H + BORDER), len(columns) * (W + BORDER), 1].
    """
    pad = [(0, 0), (0, BORDER), (0, BORDER), (0, 0)]
    framed = [np.pad(images, pad, constant_values=1.0) for images in columns]
    return np.concatenate([np.concatenate(list(images), axis=0) for images in framed], axis=1)
