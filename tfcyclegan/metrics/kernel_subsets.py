"""The kernel distance as torch-fidelity and clean-fid report it: a mean over random subsets."""

from typing import NamedTuple

import numpy as np

from tfcyclegan.metrics.feature_statistics import checked_features
from tfcyclegan.metrics.kernel_distance import kernel_distance


class SubsetDistance(NamedTuple):
    """Mean and standard deviation over subsets; the deviation is no confidence interval."""

    mean: float
    deviation: float
    subset_size: int
    subsets: int


def kernel_distance_subsets(
    real: np.ndarray, fake: np.ndarray, *, subset_size: int, subsets: int = 100, seed: int
) -> SubsetDistance:
    """Returns `kernel_distance` averaged over random subsets, for comparison with other tools.

    Equals torch-fidelity 0.4 with the same `kid_subset_size`, `kid_subsets` and `rng_seed`. Prefer
    `kernel_distance`, which has the same expectation, and intervals over patients: this deviation
    is that between subsets of one sample.

    Args:
        real: [N, d] features, any real dtype.
        fake: [M, d].
        subset_size: Features drawn from each side without replacement, at least 2.
        subsets: Number of draws.
        seed: Seed of the draws.

    Raises:
        ValueError: As `kernel_distance`; or the subset exceeds a side, where each draw is the same
            set and the deviation an empty 0.
    """
    real, fake = checked_features(real), checked_features(fake)
    smaller = min(len(real), len(fake))
    if not 2 <= subset_size <= smaller or subsets < 1:
        raise ValueError(
            f"Subsets expected 2 to {smaller} features, as many as the smaller side has, and one"
            f" draw or more. Received: subset_size {subset_size}, subsets {subsets}."
        )
    # The legacy generator, because it is the one that the other tools draw from.
    random = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        rows = [random.choice(len(side), subset_size, replace=False) for side in (real, fake)]
        values.append(kernel_distance(real[rows[0]], fake[rows[1]]))
    return SubsetDistance(float(np.mean(values)), float(np.std(values)), subset_size, subsets)
