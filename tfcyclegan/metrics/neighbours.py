"""Precision, recall, density and coverage of features by their nearest neighbours."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import distance

from tfcyclegan.metrics.feature_statistics import checked_features

SAMPLES_PER_NEIGHBOUR = 10
"""Features that each side needs for each neighbour; with fewer, balls swallow the whole set."""


class NeighbourScores(NamedTuple):
    """Scores of fake features against real ones, and the k they were counted with.

    Attributes:
        precision: Share of fakes inside a real ball.
        recall: Share of reals inside a fake ball.
        density: Real balls around a fake, over k; may exceed 1.
        coverage: Share of real balls that hold a fake.
        k: A ball reaches to the k-th neighbour of its centre.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int


def density_coverage(real: np.ndarray, fake: np.ndarray, *, k: int = 5) -> NeighbourScores:
    """Returns density and coverage with precision and recall, in the convention of `prdc`.

    A feature lies in a ball if it is strictly nearer than the radius, and a centre is not its own
    neighbour. Precision and recall of Kynkäänniemi et al. count the border too (<=) and take k = 3:
    on data with ties the two differ by a factor of two.

    Args:
        real: [N, d] features, any real dtype, N >= 10 k.
        fake: [M, d], M >= 10 k.
        k: Neighbours, at least 1.

    Raises:
        ValueError: The features are not finite, not of rank 2, too few, or of different dimensions.

    Reference: Naeem et al. 2020, section 3, arXiv:2002.09797.
    """
    real, fake = checked_features(real), checked_features(fake)
    if k < 1 or min(len(real), len(fake)) < SAMPLES_PER_NEIGHBOUR * k:
        raise ValueError(
            f"Neighbour scores expected k >= 1 and at least {SAMPLES_PER_NEIGHBOUR} k features a"
            f" side. Received: k {k}, {len(real)} and {len(fake)} features."
        )
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"Both sets expected one feature dimension. Received: {real.shape[1]},"
            f" {fake.shape[1]}; use one extractor for both."
        )
    return neighbour_scores(real, fake, k)


def neighbour_scores(real: np.ndarray, fake: np.ndarray, k: int) -> NeighbourScores:
    """Returns the scores of checked float64 features, whatever their number."""
    between = _distances(real, fake)
    radii_real, radii_fake = _radii(real, k), _radii(fake, k)
    inside = between < radii_real[:, np.newaxis]
    return NeighbourScores(
        precision=float(inside.any(axis=0).mean()),
        recall=float((between < radii_fake).any(axis=1).mean()),
        density=float(inside.sum(axis=0).mean() / k),
        coverage=float(inside.any(axis=1).mean()),
        k=k,
    )


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Returns the distance [N] of each feature to its k-th neighbour, itself left out."""
    distances = _distances(features, features)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # |x|^2 + |y|^2 - 2 x.y is faster and breaks ties by rounding: twins would not be at 0.
    return distance.cdist(x, y, "sqeuclidean")
