"""The kernel distance over random subsets: what it equals, and what it refuses."""

import numpy as np
import pytest

from tfcyclegan.metrics import kernel_distance, kernel_distance_subsets

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(30, 6)), 0.5 + RNG.normal(size=(24, 6))


def test_mean_of_seeded_draws():
    random, values = np.random.RandomState(3), []
    for _ in range(7):
        x = REAL[random.choice(30, 10, replace=False)]
        y = FAKE[random.choice(24, 10, replace=False)]
        k = (np.vstack([x, y]) @ np.vstack([x, y]).T / 6 + 1) ** 3
        pairs = k[:10, :10].sum() - np.trace(k[:10, :10]) + k[10:, 10:].sum()
        pairs -= np.trace(k[10:, 10:])
        values.append(pairs / 90 - 2 * k[:10, 10:].mean())
    found = kernel_distance_subsets(REAL, FAKE, subset_size=10, subsets=7, seed=3)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.deviation == pytest.approx(np.std(values), abs=1e-12)
    assert (found.subset_size, found.subsets) == (10, 7)
    assert found == kernel_distance_subsets(REAL, FAKE, subset_size=10, subsets=7, seed=3)


def test_expectation_is_the_distance_over_all_pairs():
    found = kernel_distance_subsets(REAL, FAKE, subset_size=12, subsets=2000, seed=0)
    error = 4 * found.deviation / np.sqrt(2000)
    assert found.mean == pytest.approx(kernel_distance(REAL, FAKE), abs=error)


def test_a_subset_larger_than_a_side_is_refused():
    with pytest.raises(ValueError, match="2 to 24 features.*Received: subset_size 25"):
        kernel_distance_subsets(REAL, FAKE, subset_size=25, seed=0)
    with pytest.raises(ValueError, match="subsets 0"):
        kernel_distance_subsets(REAL, FAKE, subset_size=5, subsets=0, seed=0)
