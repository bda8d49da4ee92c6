"""The Fréchet distance against closed forms, mpmath and SciPy; guards; streamed statistics."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcyclegan.metrics import (
    FeatureStatistics,
    covariance,
    covariance_root,
    frechet_distance,
    frechet_distance_from_statistics,
)

# Rank-deficient: four and five features of six dimensions; the distance is from mpmath, 60 digits.
X = np.array([[0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [1, 1, 2, 3, 5, 8], [2, 7, 1, 8, 2, 8]])
Y = np.array(
    [
        [3, 1, 4, 1, 5, 9],
        [2, 6, 5, 3, 5, 8],
        [1, 4, 1, 4, 2, 1],
        [0, 0, 1, 1, 2, 3],
        [9, 8, 7, 6, 5, 4],
    ]
)
X_TO_Y = 40.28261109244751745389727


def statistics(features):
    return features.mean(axis=0), np.cov(features, rowvar=False)


def sqrtm_distance(real, fake):
    """The route of TTUR and pytorch-fid."""
    (m1, s1), (m2, s2) = statistics(real), statistics(fake)
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float(np.sum((m1 - m2) ** 2) + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)


def test_two_dimensions_by_hand():
    s1, s2 = np.array([[2.0, 1], [1, 3]]), np.array([[5.0, -1], [-1, 1]])
    result = frechet_distance_from_statistics([0, 0], s1, [1, 3], s2)
    assert result.value == pytest.approx(12.068197962337239802, abs=1e-12)
    assert result.mean_term == 10
    assert (5 + 6 - result.trace_term) / 2 == pytest.approx(4.465901018831380099, abs=1e-12)
    # The root of each entry, or of S1 + S2, is another number.
    assert result.value != pytest.approx(10 + 11 - 2 * np.sqrt(s1 * np.abs(s2)).trace(), abs=1e-3)


def test_commuting_covariances():
    result = frechet_distance_from_statistics(
        np.zeros(4), np.diag([1.0, 4, 9, 16]), np.full(4, 0.5), np.diag([16.0, 9, 4, 1])
    )
    assert result.value == pytest.approx(21, abs=1e-12)
    assert (result.rank_real, result.rank_fake, result.rank_deficient) == (4, 4, False)


def test_rank_one():
    u, v = np.array([1.0, 2, 3]), np.array([3.0, -1, 2])
    by_statistics = frechet_distance_from_statistics(
        np.zeros(3), np.outer(u, u), np.zeros(3), np.outer(v, v)
    )
    assert by_statistics.value == pytest.approx(14, abs=1e-6)
    assert by_statistics.rank_deficient
    # Two features at +-u / sqrt(2) have exactly the covariance u u^T.
    by_features = frechet_distance(np.outer([1, -1], u) / 2**0.5, np.outer([1, -1], v) / 2**0.5)
    assert by_features.value == pytest.approx(14, abs=1e-12)
    assert (by_features.rank_real, by_features.rank_fake) == (1, 1)


def test_fewer_features_than_dimensions():
    result = frechet_distance(X, Y)
    assert result.value == pytest.approx(X_TO_Y, abs=1e-12)
    assert result.value == pytest.approx(result.mean_term + result.trace_term, abs=1e-12)
    assert (result.n_real, result.n_fake, result.dimension) == (4, 5, 6)
    assert (result.rank_real, result.rank_fake, result.rank_deficient) == (3, 4, True)
    assert float(result) == result.value
    by_statistics = frechet_distance_from_statistics(*statistics(X), *statistics(Y))
    assert by_statistics.value == pytest.approx(X_TO_Y, abs=1e-6)
    # Divisor N, as in stylegan3.
    by_n = frechet_distance_from_statistics(
        X.mean(axis=0), np.cov(X, rowvar=False, ddof=0), Y.mean(axis=0), np.cov(Y.T, ddof=0)
    )
    assert abs(by_n.value - X_TO_Y) > 1


def test_equal_covariances_leave_the_means():
    d = 2048
    result = frechet_distance_from_statistics(np.zeros(d), np.eye(d), np.ones(d), np.eye(d))
    assert result.value == pytest.approx(d, abs=1e-9)


@pytest.mark.parametrize("sizes", [(512, 512), (512, 100), (100, 512), (257, 300)])
def test_equals_scipy_sqrtm(sizes):
    rng = np.random.RandomState(0)
    real, fake = (rng.normal(size=(n, 256)).astype(np.float32) for n in sizes)
    value = frechet_distance(real, fake).value
    # A mean left in float32, as in torch-fidelity, is wrong by 1e-9.
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    reference = sqrtm_distance(real, fake)
    # SciPy's root of a singular product errs by about 1e-7 itself.
    singular = min(sizes) <= 256
    assert value == pytest.approx(reference, rel=1e-6 if singular else 1e-9)
    by_statistics = frechet_distance_from_statistics(*statistics(real), *statistics(fake))
    assert value == pytest.approx(by_statistics.value, rel=1e-6 if singular else 1e-12)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 20),
    m=st.integers(2, 20),
    d=st.integers(1, 12),
    scale=st.sampled_from([1e-3, 0.5, 3.0, 1e4]),
)
def test_symmetric_quadratic_and_zero_for_itself(seed, n, m, d, scale):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, d)), 1 + 2 * rng.normal(size=(m, d))
    value = frechet_distance(real, fake).value
    assert value >= 0
    assert frechet_distance(fake, real).value == pytest.approx(value, rel=1e-6)
    assert frechet_distance(scale * real, scale * fake).value == pytest.approx(
        scale**2 * value, rel=1e-6
    )
    shifted = frechet_distance(real + 5, fake + 5).value
    assert shifted == pytest.approx(value, rel=1e-6)
    assert frechet_distance(real, real).value == pytest.approx(0, abs=1e-6 * d)


def test_constant_features_have_a_distance():
    result = frechet_distance(np.zeros((5, 3)), np.full((4, 3), 2.0))
    assert result.value == 12
    assert (result.rank_real, result.rank_fake) == (0, 0)


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match=r"N >= 2. Received: \(1, 6\)"):
        frechet_distance(X[:1], Y)
    with pytest.raises(ValueError, match=r"\[N, d\] with N >= 2. Received: \(6,\)"):
        frechet_distance(X, Y[0])
    with pytest.raises(ValueError, match="one feature dimension. Received: 6, 5; use one"):
        frechet_distance(X, Y[:, :5])
    with pytest.raises(ValueError, match="in 1 of 4 rows; extractors answer NaN"):
        frechet_distance(np.where(X == 7, np.nan, X), Y)


def test_bad_statistics_are_refused():
    good = mean, spread = statistics(X)
    with pytest.raises(ValueError, match="symmetric matrix. Received: asymmetry"):
        frechet_distance_from_statistics(mean, spread + np.triu(np.full((6, 6), 1e-6)), *good)
    negative = np.diag([1.0, 1, 1, 1, 1, -1e-6])
    for order in ((mean, negative, *good), (*good, mean, negative)):
        with pytest.raises(ValueError, match="no negative eigenvalue.*delete the cached"):
            frechet_distance_from_statistics(*order)
    with pytest.raises(ValueError, match="finite values"):
        frechet_distance_from_statistics(mean * np.nan, spread, *good)
    with pytest.raises(ValueError, match=r"\[d\] and \[d, d\]. Received: \(6,\), \(5, 5\)"):
        frechet_distance_from_statistics(mean, spread[:5, :5], *good)
    with pytest.raises(ValueError, match="one feature dimension"):
        frechet_distance_from_statistics(mean[:5], spread[:5, :5], *good)


def test_a_cached_root_changes_nothing_and_is_checked():
    rng = np.random.default_rng(0)
    for real, fake in ((X, Y), (rng.normal(size=(90, 40)), 1 + rng.normal(size=(70, 40)))):
        one, other = statistics(real), statistics(fake)
        root = covariance_root(one[1])
        np.testing.assert_allclose(root @ root.T, one[1], atol=1e-12 * np.trace(one[1]))
        cached = frechet_distance_from_statistics(*one, *other, root1=root)
        assert cached == frechet_distance_from_statistics(*one, *other)
        for wrong in (1.001 * root, root[:, 1:], root[1:], np.full_like(root, np.nan)):
            with pytest.raises(ValueError, match="cached root expected.*delete the cached"):
                frechet_distance_from_statistics(*one, *other, root1=wrong)


@pytest.mark.parametrize("rows", [1, 3, 7, 20])
def test_halves_that_are_not_computed_are_not_needed(monkeypatch, rows):
    monkeypatch.setattr(covariance, "_ROWS", rows)
    rng = np.random.default_rng(0)
    triangle, other = np.tril(rng.normal(size=(7, 7))), np.cov(rng.normal(size=(7, 20)))
    expected = np.tril(triangle.T @ other @ triangle)
    np.testing.assert_allclose(np.tril(covariance.congruent(triangle, other)), expected, atol=1e-12)
    other[5, 1] += 1e-6
    with pytest.raises(ValueError, match="symmetric matrix"):
        covariance.checked_statistics(np.zeros(7), other)


def test_rank_of_a_barely_regular_covariance():
    for smallest, rank in ((1e-12, 3), (1e-17, 2), (0.0, 2)):
        spread = np.diag([1.0, 0.5, smallest])
        result = frechet_distance_from_statistics(np.zeros(3), np.eye(3), np.zeros(3), spread)
        assert result.rank_fake == rank


@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
def test_merged_statistics_equal_numpy(replicas):
    rng = np.random.default_rng(replicas)
    features = rng.normal(loc=3, size=(101, 9)) @ rng.normal(size=(9, 9))
    parts = np.array_split(rng.permutation(features), replicas * 5)
    totals = [FeatureStatistics.empty(9) for _ in range(replicas)]
    for i, part in enumerate(parts):
        totals[i % replicas] = totals[i % replicas].merge(FeatureStatistics.of(part))
    merged = FeatureStatistics.of(features[:0])
    for total in totals:
        merged = merged.merge(total)
    assert merged.n == 101
    np.testing.assert_allclose(merged.mean, features.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(merged.covariance, np.cov(features.T), rtol=1e-10, atol=1e-12)
    by_merge = frechet_distance_from_statistics(
        merged.mean, merged.covariance, *statistics(features[:50]), n1=merged.n, n2=50
    )
    assert by_merge.value == pytest.approx(
        frechet_distance(features, features[:50]).value, rel=1e-10
    )
    assert (by_merge.n_real, by_merge.n_fake) == (101, 50)


def test_merged_statistics_survive_a_large_mean():
    features = 1e4 + 0.01 * np.random.default_rng(0).normal(size=(1000, 4))
    merged = FeatureStatistics.empty(4)
    for part in np.split(features, 10):
        merged = merged.merge(FeatureStatistics.of(part))
    exact = np.cov((features - 1e4).T)
    np.testing.assert_allclose(merged.covariance, exact, atol=1e-9 * np.trace(exact))
    raw = (features.T @ features - 1000 * np.outer(*[features.mean(axis=0)] * 2)) / 999
    assert np.abs(raw - exact).max() > 1e-5 * np.trace(exact)


def test_statistics_refuse_what_has_none():
    with pytest.raises(ValueError, match="two or more features. Received: 1"):
        _ = FeatureStatistics.of(X[:1]).covariance
    with pytest.raises(ValueError, match="one feature dimension. Received: 6, 3"):
        FeatureStatistics.of(X).merge(FeatureStatistics.empty(3))
    with pytest.raises(ValueError, match="finite"):
        FeatureStatistics.of(np.where(X == 7, np.inf, X))
