"""Did the model copy training images: the closest pairs to look at, and an advisory number.

No number detects memorisation reliably (Stein et al. 2023, arXiv:2306.04675), so that the figure is
the answer and the number a hint.
"""

import warnings

import numpy as np
from scipy import stats
from scipy.cluster import vq

from tfcyclegan.data.intensity import STORED_MAX
from tfcyclegan.data.slices import resample

SHOWN = 16
SIDE = 32
"""Side of the thumbnails that are compared, pixels: anatomy and contrast, no noise."""
ROWS = 256
"""Synthetic slices compared at a time."""
COMPONENTS, CELLS, FEWEST = 64, 3, 20
"""Of the copying score: principal components, cells, and synthetic slices that a cell exceeds."""
TOO_FEW = f"no cell holds more than {FEWEST} synthetic slices and others to compare them with"
ADVISORY = (
    "slices of one patient are never compared. closer_to_train: share of synthetic slices closer to"
    " a training slice than to a real one of the evaluated split; it grows with the training set."
    " authentic: share farther from their training slice than that is from its own nearest. Read"
    " both beside the same share of the real slices. copying_score: C_T, far below 0 where"
    " synthetic slices are closer to training than real held-out ones; as slices of a patient are"
    " alike, it looks surer than it is"
)

Side = tuple[np.ndarray, np.ndarray]
"""Vectors [N, d] and the patients [N] they are of."""


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
        block = slice(start, start + ROWS)
        query = queries[block].astype(np.float64)
        table = (query**2).sum(axis=1)[:, None] + squares - 2.0 * query @ candidates.T
        same = np.asarray(query_patients)[block, None] == np.asarray(candidate_patients)
        table[same] = np.inf
        rows[block] = table.argmin(axis=1)
        # Rounding can make the square of a small distance negative.
        distances[block] = np.sqrt(np.maximum(table.min(axis=1), 0.0) / queries.shape[1])
    return rows, distances


def section(
    fake: Side, real: Side, train: Side, features: tuple[Side, Side, Side]
) -> tuple[dict, list[tuple[int, int, float]]]:
    """Compares synthetic slices with the training targets and with the real ones of the split.

    Args:
        fake: (uint16 images [N, H, W] in stored range, patients [N]) of the synthetic slices.
        real: Likewise of the real target slices of the evaluated split.
        train: Likewise of the training slices of the target domain.
        features: The features of the three in place of the images.

    Returns:
        What the report says, of thumbnails and of features, and (synthetic row, training row,
        distance) of the closest pairs of thumbnails, each synthetic slice and each training slice
        at most once, the closest first.
    """
    small = ((thumbnails(images), patients) for images, patients in (fake, real, train))
    report, rows, distance = figures(*small)
    report |= {
        "features": figures(*features)[0],
        "n_synthetic": len(distance),
        "n_train": len(train[1]),
        "advisory": ADVISORY,
    }
    return report, _closest(rows, distance)


def figures(fake: Side, real: Side, train: Side) -> tuple[dict, np.ndarray, np.ndarray]:
    """Returns the figures of one space, and the nearest training row of each synthetic slice.

    Returns:
        (figures, rows int64 [N], distances float64 [N]).
    """
    rows, distance = nearest(*fake, *train)
    real_rows, real_distance = nearest(*real, *train)
    among_train = nearest(*train, *train)[1]
    score = copying_score(fake, real, train)
    report = {
        "closer_to_train": _share(distance, nearest(*fake, *real)[1]),
        "closer_to_train_of_real": _share(real_distance, nearest(*real, *real)[1]),
        "authentic": _share(among_train[rows], distance),
        "authentic_of_real": _share(among_train[real_rows], real_distance),
        "copying_score": score,
        "median_distance_to_train": float(np.median(distance)),
        "median_distance_of_real_to_train": float(np.median(real_distance)),
    }
    return report | ({"reason": TOO_FEW} if np.isnan(score) else {}), rows, distance


def copying_score(fake: Side, real: Side, train: Side) -> float:
    """Returns C_T: are synthetic slices closer to training slices than held-out real ones are?

    A z-score of ranks, averaged over cells by their share of the real slices: 0 where both are
    alike, far below 0 for copies, far above for a model that missed the distribution. It is
    taken on the first 64 principal components of the training slices, as in dgm-eval. There the
    cells start at random; here they start from slices spread over the first component.

    Returns:
        The score; NaN where no cell has enough slices.

    Reference: Meehan, Chaudhuri and Dasgupta 2020, section 4, arXiv:2004.05675.
    """
    sides = _principal(fake, real, train)
    order = np.argsort(sides[2][0][:, 0])
    starts = order[(2 * np.arange(CELLS) + 1) * len(order) // (2 * CELLS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a cell may stay empty
        centres, _ = vq.kmeans2(sides[2][0], sides[2][0][starts], minit="matrix")
    homes = [vq.vq(vectors, centres)[0] for vectors, _ in sides]
    weights, scores = [], []
    for cell in range(CELLS):
        synthetic, held_out, learnt = (
            (vectors[home == cell], owners[home == cell])
            for (vectors, owners), home in zip(sides, homes, strict=True)
        )
        if len(synthetic[0]) > FEWEST and len(held_out[0]) and len(learnt[0]):
            distances = (nearest(*side, *learnt)[1] for side in (synthetic, held_out))
            weights.append(len(held_out[0]))
            scores.append(rank_score(*(values[np.isfinite(values)] for values in distances)))
    finite = np.isfinite(scores)
    if not finite.any():
        return float("nan")
    return float(np.average(np.array(scores)[finite], weights=np.array(weights)[finite]))


def rank_score(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the z-score of Mann and Whitney's U, below 0 where `first` is smaller.

    NaN where one has no value.
    """
    n, m = len(first), len(second)
    if not n * m:
        return float("nan")
    u = stats.mannwhitneyu(first, second).statistic
    # Half a count of continuity, as dgm-eval.
    return float((u - n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12))


def _principal(fake: Side, real: Side, train: Side) -> tuple[Side, Side, Side]:
    """Returns the sides on the training side's first components, all of them where there are few.

    The components come largest first.
    """
    centre = train[0].mean(axis=0, dtype=np.float64)
    triangle = np.linalg.qr(train[0] - centre, mode="r")
    axes = np.linalg.svd(triangle, full_matrices=False)[2][:COMPONENTS].T
    return tuple(((vectors - centre) @ axes, patients) for vectors, patients in (fake, real, train))


def _share(near: np.ndarray, far: np.ndarray) -> float:
    finite = np.isfinite(near) & np.isfinite(far)
    return float((near[finite] < far[finite]).mean()) if finite.any() else float("nan")


def _closest(rows: np.ndarray, distances: np.ndarray) -> list[tuple[int, int, float]]:
    pairs, used = [], set()
    for query in np.argsort(distances, kind="stable"):
        if rows[query] not in used and np.isfinite(distances[query]):
            used.add(rows[query])
            pairs.append((int(query), int(rows[query]), float(distances[query])))
    return pairs[:SHOWN]
