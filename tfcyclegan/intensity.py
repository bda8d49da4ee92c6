"""The three pixel units and every conversion between them.

*scanner*: float32, what the scanner meant, after rescale slope and intercept; unbounded.
*unit*: float32 in [0, 1], after the volume's window was applied; what metrics and servers see.
*model*: float32 in [-1, 1], the range of tanh; what networks see.
A record stores unit range as uint16 (*stored*), 0 to 65535.

Functions take NumPy arrays and TensorFlow tensors alike, unless they say otherwise.
"""

import numpy as np

STORED_MAX = 65535
WINDOW_PERCENTILES = (0.5, 99.5)
"""Percentiles of a volume's voxels that become 0 and 1 in unit range (BraSyn's choice)."""
SAMPLE = 20_000
"""Voxels from which `percentile` guesses where to look."""
WINDOWS = {"p0.5-99.5": WINDOW_PERCENTILES, "p1-99": (1.0, 99.0), "minmax": (0.0, 100.0)}
"""Percentiles by the names of --normalization; each is undone by the two values it leads to."""


def volume_window(
    volume: np.ndarray,
    valid: np.ndarray | None = None,
    percentiles: tuple[float, float] = WINDOW_PERCENTILES,
) -> tuple[float, float]:
    """Returns the scanner intensities that a volume maps to 0 and 1 in unit range.

    Args:
        volume: [S, H, W] scanner units, any real dtype.
        valid: Boolean mask of the same shape; False marks padding voxels. None means all valid.
        percentiles: Of `WINDOWS`.

    Returns:
        (lo, hi), these percentiles of the valid voxels.

    Raises:
        ValueError: The volume has no valid voxel, is not finite, or its percentiles coincide, so
            that no window exists.
    """
    voxels = volume[valid] if valid is not None else volume.reshape(-1)
    # NaN passes through min and max, so these two see everything that is not finite.
    if voxels.size == 0 or not np.isfinite(voxels.min()) or not np.isfinite(voxels.max()):
        raise ValueError("A volume needs finite voxels outside its padding to have a window.")
    lo, hi = (percentile(voxels, p) for p in percentiles)
    if hi <= lo:
        raise ValueError(
            f"A volume needs contrast to have a window: expected percentile {percentiles[1]} above"
            f" percentile {percentiles[0]}. Received a constant volume."
        )
    return lo, hi


def percentile(voxels: np.ndarray, percent: float) -> float:
    """Returns what `np.percentile` does, several times faster for one near 0 or 100.

    A bound from a sample leaves the few voxels beyond it to be sorted; that they hold the ranks
    wanted is checked, so that the sample decides about speed only.

    Args:
        voxels: One-dimensional, finite.
        percent: 0 to 100.
    """
    rank, upper = (voxels.size - 1) * (percent / 100), percent > 50
    k = min(int(rank), voxels.size - 2) if voxels.size > 1 else 0
    sample = np.sort(voxels[:: 1 + voxels.size // SAMPLE])
    margin = sample.size // 200
    place = int(percent / 100 * sample.size) + (-margin if upper else margin)
    bound = sample[min(max(place, 0), sample.size - 1)]
    # Indices, because a mask that is nearly empty takes NumPy twice as long.
    tail = voxels[np.flatnonzero(voxels >= bound if upper else voxels <= bound)]
    below = voxels.size - tail.size if upper else 0
    if not (below <= k and k + 1 < below + tail.size):
        return float(np.percentile(voxels, (percent,))[0])
    k -= below
    pair = np.partition(tail, (k, k + 1))[k : k + 2]
    # Arrays of one share, here and above: a bare number would be rounded to the voxels' type.
    return float(np.quantile(pair, np.array([rank - k - below]))[0])


def scanner_to_unit(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Maps scanner units to unit range by `window` and clips; NumPy only, returns float32."""
    lo, hi = window
    return np.clip((image.astype(np.float32) - lo) / (hi - lo), 0.0, 1.0, dtype=np.float32)


def unit_to_scanner(image, window: tuple[float, float]):
    """Inverse of `scanner_to_unit` inside the window."""
    lo, hi = window
    return image * (hi - lo) + lo


def unit_to_stored(image: np.ndarray) -> np.ndarray:
    """Rounds unit range to uint16 0..65535; NumPy only. The error is at most 0.5 / 65535."""
    return np.rint(np.clip(image, 0.0, 1.0) * STORED_MAX).astype("<u2")


def stored_to_unit(image):
    """Maps stored values, already cast to float, to unit range."""
    return image / STORED_MAX


def unit_to_model(image):
    """Maps [0, 1] to [-1, 1]."""
    return image * 2.0 - 1.0


def model_to_unit(image):
    """Maps [-1, 1] to [0, 1]."""
    return (image + 1.0) * 0.5
