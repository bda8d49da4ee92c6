"""Correlation inside a mask, against SciPy and in regions whose sign is known."""

import numpy as np
import pytest
from scipy import stats
from simulated_heads import HEAD, SIZE, heads

from tfcyclegan.data.head import regions
from tfcyclegan.metrics.correlation import correlation, correlations, mean_correlation


def test_correlation_is_pearsons_inside_the_mask_only():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(2, 3, SIZE, SIZE, 1))
    y += x * HEAD[..., np.newaxis] - 5 * x * ~HEAD[..., np.newaxis]
    expected = [stats.pearsonr(p[HEAD, 0], q[HEAD, 0]).statistic for p, q in zip(x, y, strict=True)]
    made = correlation(x, y, np.stack([HEAD] * 3)).numpy()
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert 0.5 < made.mean() < 0.9


def test_a_constant_image_has_no_correlation_and_leaves_the_mean_alone():
    x = heads(0.9, 2)[..., np.newaxis].astype(np.float32)
    y = np.stack([x[0], np.full_like(x[0], 0.3)])
    made = correlation(x, y, np.stack([HEAD] * 2)).numpy()
    assert made[0] == pytest.approx(1.0, abs=1e-6) and np.isnan(made[1])
    assert mean_correlation(x, y) == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(mean_correlation(x[1:], y[1:]))


def test_the_inside_does_not_see_the_rim():
    images = heads(0.9, 2)[..., np.newaxis].astype(np.float32)
    inverted = np.where(regions(images)["rim"][..., np.newaxis], 1 - images, images)
    made = correlations(images, inverted)
    assert made["inside"] == pytest.approx(1, abs=1e-5)
    assert made["rim"] == pytest.approx(-1, abs=1e-5)
