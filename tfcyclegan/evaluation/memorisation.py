"""Did the model copy training images: the closest pairs to look at, and an advisory number.

No number detects memorisation reliably (Stein et al. 2023, arXiv:2306.04675), so that the figure is
the answer and the number a hint.
"""

import numpy as np

from tfcyclegan.data import resample
from tfcyclegan.intensity import STORED_MAX

SHOWN = 16
SIDE = 32
"""Side of the thumbnails that are compared, pixels: anatomy and contrast, no noise."""
ROWS = 256
"""Synthetic slices compared at a time."""
ADVISORY = (
    "closer_to_train is the share of synthetic slices that lie closer to a training slice than to"
    " any real slice of another patient of the evaluated split; it grows with the training set, so"
    " read it beside the same share of the real slices"
)


def thumbnails(stored: np.ndarray) -> np.ndarray:
    """Returns float32 [N, SIDE * SIDE] in unit range of uint16 slices [N, H, W]."""
    return resample(stored, SIDE).reshape(len(stored), -1).astype(np.float32) / STORED_MAX


def nearest(
    queries: np.ndarray, query_patients, candidates: np.ndarray, candidate_patients
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest candidate of another patient for each query.

    Args:
        queries: [N, d] float32.
        query_patients: [N] ids.
        candidates: [M, d] float32.
        candidate_patients: [M] ids.

    Returns:
        (rows int64 [N], root mean squared distances float64 [N]); infinity where every candidate
        is of the same patient.
    """
    rows, distances = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf)
    squares = (candidates.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(queries), ROWS):
        part = slice(start, start + ROWS)
        query = queries[part].astype(np.float64)
        table = (query**2).sum(axis=1)[:, None] + squares - 2.0 * query @ candidates.T
        same = np.asarray(query_patients)[part, None] == np.asarray(candidate_patients)
        table[same] = np.inf
        rows[part] = table.argmin(axis=1)
        distances[part] = np.sqrt(np.maximum(table.min(axis=1), 0.0) / queries.shape[1])
    return rows, distances


def section(fake, real, train) -> tuple[dict, list[tuple[int, int, float]]]:
    """Compares synthetic slices with the training targets and with the real ones of the split.

    Args:
        fake: (uint16 images [N, H, W] in stored range, patients [N]) of the synthetic slices.
        real: Likewise of the real target slices of the evaluated split.
        train: Likewise of the training slices of the target domain.

    Returns:
        What the report says, and (synthetic row, training row, distance) of the closest pairs, each
        synthetic slice and each training slice at most once, the closest first.
    """
    small = {name: thumbnails(side[0]) for name, side in (("f", fake), ("r", real), ("t", train))}
    rows, distance = nearest(small["f"], fake[1], small["t"], train[1])
    _, held_out = nearest(small["f"], fake[1], small["r"], real[1])
    _, real_train = nearest(small["r"], real[1], small["t"], train[1])
    _, real_held_out = nearest(small["r"], real[1], small["r"], real[1])
    report = {
        "closer_to_train": _share(distance, held_out),
        "closer_to_train_of_real": _share(real_train, real_held_out),
        "median_distance_to_train": float(np.median(distance)),
        "median_distance_of_real_to_train": float(np.median(real_train)),
        "n_synthetic": len(distance),
        "n_train": len(small["t"]),
        "advisory": ADVISORY,
    }
    return report, _closest(rows, distance)


def _share(near: np.ndarray, far: np.ndarray) -> float:
    both = np.isfinite(near) & np.isfinite(far)
    return float((near[both] < far[both]).mean()) if both.any() else float("nan")


def _closest(rows: np.ndarray, distances: np.ndarray) -> list[tuple[int, int, float]]:
    pairs, used = [], set()
    for query in np.argsort(distances, kind="stable"):
        if rows[query] not in used and np.isfinite(distances[query]):
            used.add(rows[query])
            pairs.append((int(query), int(rows[query]), float(distances[query])))
    return pairs[:SHOWN]
