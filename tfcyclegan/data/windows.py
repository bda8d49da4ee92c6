"""The window of a volume: which scanner values are black and white."""

from collections.abc import Sequence

import cv2
import numpy as np

WINDOW_PERCENTILES = (0.5, 99.5)
"""Percentiles of a volume's voxels that become 0 and 1 in unit range (BraSyn's choice)."""
SAMPLE = 20_000
"""Voxels from which percentiles of real numbers guess where to look."""
COUNTED = 1 << 24
"""Voxels that are counted at once; OpenCV counts in float32, which is exact up to here."""
_COUNTABLE = {np.dtype(kind) for kind in ("u1", "i1", "u2", "i2")}
Percentiles = tuple[float, float | None]
"""Of a volume's voxels: what becomes 0, and what becomes 1 in unit range.

None for the second stands for `HEADROOM` times the head's median, both measured from the first.
"""
WINDOWS: dict[str, Percentiles] = {
    "p0.5-99.5": WINDOW_PERCENTILES,
    "p1-99": (1.0, 99.0),
    "minmax": (0.0, 100.0),
    "head-median": (0.5, None),
}
"""Percentiles by the names of --normalization; each is undone by the two values it leads to."""
HEADROOM = 3.0
"""Fluid in T2, and fat, are two to three times as bright as the tissue that the median is of."""


def volume_window(
    volume: np.ndarray | Sequence[np.ndarray],
    valid: np.ndarray | None = None,
    percentiles: Percentiles = WINDOW_PERCENTILES,
    rescale: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Returns the scanner intensities that a volume maps to 0 and 1 in unit range.

    Args:
        volume: [S, H, W] scanner units, any real dtype; or S images, which need no copy.
        valid: Boolean mask of the same shape; False marks padding voxels. None means all valid.
        percentiles: Of `WINDOWS`.
        rescale: Slope above 0 and intercept, where `volume` is not in scanner units yet.

    Returns:
        (lo, hi), these percentiles of the valid voxels. With None for the second, hi lies so that
        the median of the head is one third in unit range: tissue is then alike from scanner to
        scanner, whatever fat and fluid are. The head is what is brighter than the mean of all, as
        in Nyul, Udupa and Zhang 2000, doi:10.1109/42.836373.

    Raises:
        ValueError: The volume has no valid voxel, is not finite, or its percentiles coincide, so
            that no window exists.
    """
    # Slice by slice, because a slice fits the processor's cache and a volume does not.
    parts = [image.reshape(-1) for image in volume] if valid is None else [volume[valid]]
    parts = [part for part in parts if part.size]
    # NaN passes through min and max, so these two see everything that is not finite.
    real = [part for part in parts if part.dtype.kind == "f"]
    if not parts or not np.all(
        np.isfinite([end(part) for part in real for end in (np.min, np.max)])
    ):
        raise ValueError("A volume needs finite voxels outside its padding to have a window.")
    low, high = percentiles
    if high is None:
        lo, median = percentiles_of(parts, (low, _percent_of_head_median(parts)), rescale)
        hi = lo + HEADROOM * (median - lo)
    else:
        lo, hi = percentiles_of(parts, percentiles, rescale)
    if not -np.inf < lo < hi < np.inf:
        raise ValueError(
            f"A volume needs contrast to have a window: expected {_high_end(high)} above percentile"
            f" {low}, both finite. Received a constant volume, or no scale."
        )
    return lo, hi


def percentiles_in(facts: dict) -> Percentiles:
    """Returns the percentiles that a card of records or of a model states, else the default."""
    low, high = facts.get("window_percentiles", WINDOW_PERCENTILES)
    return low, high


def name_of(percentiles: Sequence[float | None]) -> str:
    """Returns the --normalization that leads to these percentiles, or a sentence's words for it."""
    names = [name for name, pair in WINDOWS.items() if pair == tuple(percentiles)]
    return names[0] if names else "none of this version"


def _high_end(percent: float | None) -> str:
    """Returns what the second of `Percentiles` is called in a sentence."""
    return "the head's median" if percent is None else f"percentile {percent}"


def _percent_of_head_median(parts: Sequence[np.ndarray]) -> float:
    """Returns which percentile of all voxels is the median of those above their mean."""
    size = sum(part.size for part in parts)
    mean = sum(part.sum(dtype=np.float64) for part in parts) / size
    above = sum(np.count_nonzero(part > mean) for part in parts)
    return 100.0 * (size - (above + 1) / 2) / max(size - 1, 1) if above else 100.0


def percentiles_of(
    parts: Sequence[np.ndarray],
    percents: Sequence[float],
    rescale: tuple[float, float] | None = None,
) -> list[float]:
    """Returns what `np.percentile` does of all parts together, several times faster.

    Args:
        parts: One-dimensional, finite.
        percents: 0 to 100; of real numbers, fast near both ends only.
        rescale: Slope above 0 and intercept, applied to the voxels; it keeps their order, so that
            only the two that a percentile lies between need it.
    """
    size = sum(part.size for part in parts)
    ranks = [(size - 1) * (percent / 100) for percent in percents]
    kinds = {part.dtype for part in parts}  # a signed file among unsigned ones happens
    if kinds <= _COUNTABLE and len(kinds) == 1:
        pairs = _neighbours_by_count(parts, ranks)
    else:
        pairs = [_neighbours(parts, size, rank) for rank in ranks]
    # An array of one share: a bare number would be rounded to the voxels' type.
    return [
        float(np.quantile(_rescaled(pair, rescale), np.array([rank - k]))[0])
        for (pair, k), rank in zip(pairs, ranks, strict=True)
    ]


def _neighbours_by_count(
    parts: Sequence[np.ndarray], ranks: Sequence[float]
) -> list[tuple[np.ndarray, int]]:
    """Returns the voxels that each rank lies between, and the rank of the lower one."""
    dtype = parts[0].dtype
    levels = 1 << 8 * dtype.itemsize
    counts = np.zeros(levels, np.int64)
    step = max(1, COUNTED // max(part.size for part in parts))
    for start in range(0, len(parts), step):
        voxels = np.concatenate(parts[start : start + step]).view(f"u{dtype.itemsize}")
        for at in range(0, voxels.size, COUNTED):
            row = voxels[np.newaxis, at : at + COUNTED]
            histogram = cv2.calcHist([row], [0], None, [levels], [0, levels])
            counts += histogram.ravel().astype(np.int64)
    lowest = np.iinfo(dtype).min
    # Seen as unsigned, negative values come last.
    below = np.cumsum(np.roll(counts, -lowest))
    last_rank = int(below[-1]) - 1
    pairs = []
    for rank in ranks:
        k = max(0, min(int(rank), last_rank - 1))
        places = np.searchsorted(below, [k, min(k + 1, last_rank)], side="right")
        pairs.append(((places + lowest).astype(dtype), k))
    return pairs


def _neighbours(parts: Sequence[np.ndarray], size: int, rank: float) -> tuple[np.ndarray, int]:
    """Returns the voxels that a rank lies between, and the rank of the lower one.

    A bound from a sample leaves the few voxels beyond it to be sorted; that they hold the ranks
    wanted is checked, so that the sample decides about speed only.
    """
    upper = 2 * rank > size - 1
    k = max(0, min(int(rank), size - 2))
    sample = np.concatenate([part[:: 1 + size // SAMPLE] for part in parts])
    margin = sample.size // 200
    place = int(rank / size * sample.size) + (-margin if upper else margin)
    place = min(max(place, 0), sample.size - 1)
    bound = np.partition(sample, place)[place]
    # Indices, because a mask that is nearly empty takes NumPy twice as long.
    beyond = [np.flatnonzero(part >= bound if upper else part <= bound) for part in parts]
    tail = np.concatenate([part[places] for part, places in zip(parts, beyond, strict=True)])
    below = size - tail.size if upper else 0
    if not (below <= k and k + 1 < below + tail.size):
        tail, below = np.concatenate(parts), 0
    at = k - below
    return np.partition(tail, (at, min(at + 1, tail.size - 1)))[at : at + 2], k


def _rescaled(stored: np.ndarray, rescale: tuple[float, float] | None) -> np.ndarray:
    if rescale is None:
        return stored
    return stored.astype(np.float32) * np.float32(rescale[0]) + np.float32(rescale[1])
