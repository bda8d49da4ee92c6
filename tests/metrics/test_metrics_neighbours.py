"""Density, coverage, precision and recall against hand numbers and the border convention."""

import numpy as np
import pytest

from tfcyclegan.metrics import density_coverage
from tfcyclegan.metrics.neighbours import neighbour_scores


def column(*values):
    return np.array(values, float)[:, np.newaxis]


def test_hand_numbers():
    real, fake = column(0, 1, 2, 3, 10), column(0.5, 1.5, 2.6, 20)
    assert neighbour_scores(real, fake, 1) == (0.75, 1.0, 1.5, 0.8, 1)
    assert neighbour_scores(real, fake, 2) == (0.75, 1.0, 1.125, 1.0, 2)


def test_the_border_of_a_ball_is_outside():
    real, fake = column(0, 1, 2, 3), column(1, 2, 4, -1)
    scores = neighbour_scores(real, fake, 1)
    assert (scores.precision, scores.density, scores.coverage) == (0.5, 0.5, 0.5)
    # `<=`, the convention of Kynkaanniemi et al., gives 1, 2 and 1.
    inside = np.abs(real - fake.T) <= 1
    assert (inside.any(axis=0).mean(), inside.sum(axis=0).mean()) == (1, 2)


def test_twins_stay_ties_in_many_dimensions():
    rng = np.random.default_rng(0)
    real = np.repeat(rng.normal(loc=100, size=(60, 64)).astype(np.float32), 2, axis=0)
    # Every radius at k = 1 is exactly 0, so that no ball holds anything.
    assert density_coverage(real, real, k=1)[:4] == (0, 0, 0, 0)


def test_the_same_distribution_has_density_and_coverage_near_one():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 400, 8))
    scores = density_coverage(real, fake)
    assert scores.k == 5
    assert scores.density == pytest.approx(1, abs=0.1)
    # Naeem et al. 2020, equation 9: 1 - (N - 1) ... (N - k) / ((2 N - 1) ... (2 N - k)).
    n, k = 400, 5
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    assert scores.coverage == pytest.approx(expected, abs=0.03)
    collapsed = density_coverage(real, fake[:1] + 0.01 * rng.normal(size=(400, 8)))
    assert collapsed.coverage < 0.2


def test_bad_input_is_refused():
    x = np.zeros((50, 3))
    with pytest.raises(ValueError, match="at least 10 k features a side. Received: k 5, 49 and 50"):
        density_coverage(x[:49], x)
    with pytest.raises(ValueError, match="k >= 1"):
        density_coverage(x, x, k=0)
    with pytest.raises(ValueError, match="one feature dimension. Received: 3, 2"):
        density_coverage(x, x[:, :2])
