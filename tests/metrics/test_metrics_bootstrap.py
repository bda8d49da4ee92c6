"""Intervals over patients: against closed forms, SciPy and simulated coverage."""

import numpy as np
import pytest
from scipy import stats

from tfcyclegan.metrics import Interval, patient_bootstrap, patient_means


def test_two_patients_by_hand():
    # Means 0, 0.5 and 1 occur with 1/4, 1/2 and 1/4.
    interval = patient_bootstrap([0.0, 1.0], seed=0, resamples=400)
    assert interval == Interval(0.5, 0.0, 1.0, 0.95, 2, 400)
    narrow = patient_bootstrap([0.0, 1.0], seed=0, resamples=4000, level=0.4)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_equals_scipy_and_the_normal_interval():
    values = np.random.default_rng(0).normal(20, 3, size=120)
    ours = patient_bootstrap(values, seed=1, resamples=20000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", random_state=2
    ).confidence_interval
    monte_carlo = 0.03
    assert ours.low == pytest.approx(theirs.low, abs=monte_carlo)
    assert ours.high == pytest.approx(theirs.high, abs=monte_carlo)
    half = 1.96 * values.std() / np.sqrt(120)
    assert ours.high - ours.low == pytest.approx(2 * half, rel=0.05)
    assert ours.estimate == pytest.approx(values.mean(), abs=1e-12)


def test_seed_decides_and_order_does_not():
    values = np.random.default_rng(0).random(15)
    interval = patient_bootstrap(values, seed=7)
    assert patient_bootstrap(values, seed=7) == interval
    assert patient_bootstrap(values[::-1], seed=7) == interval
    assert patient_bootstrap(values, seed=8) != interval
    assert patient_bootstrap(values, seed=7, level=0.5).low > interval.low
    with pytest.raises(TypeError, match="seed"):
        patient_bootstrap(values)


def test_patients_cover_where_slices_do_not():
    """40 patients of 20 alike slices: 95 % means 95 % only when patients are drawn."""
    rng = np.random.default_rng(0)
    covered = {"patients": 0, "slices": 0}
    studies = 200
    for seed in range(studies):
        slices = np.repeat(rng.normal(size=40), 20) + rng.normal(size=800)
        means = patient_means(slices, np.repeat(np.arange(40), 20).tolist())
        for unit, values in (("patients", list(means.values())), ("slices", slices)):
            interval = patient_bootstrap(values, seed=seed, resamples=200)
            covered[unit] += interval.low <= 0 <= interval.high
    assert covered["patients"] > 0.88 * studies
    assert covered["slices"] < 0.6 * studies


def test_patient_means():
    values = [3.0, 1.0, np.nan, 5.0, np.nan]
    means = patient_means(values, ["b", "a", "a", "b", "c"])
    assert means == {"b": 4.0, "a": 1.0}
    assert list(means) == ["b", "a"]
    rng = np.random.default_rng(0)
    slices, order = rng.random(50), rng.permutation(50)
    ids = rng.integers(0, 4, 50)
    assert patient_means(slices, ids.tolist()) == patient_means(slices[order], ids[order].tolist())


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"two or more patients. Received: shape \(1,\)"):
        patient_bootstrap([1.0], seed=0)
    with pytest.raises(ValueError, match="1 not finite"):
        patient_bootstrap([1.0, np.inf, 2.0], seed=0)
    with pytest.raises(ValueError, match=r"Received: shape \(2, 2\)"):
        patient_bootstrap(np.ones((2, 2)), seed=0)
    with pytest.raises(ValueError, match="level expected between 0 and 1. Received: 1.0"):
        patient_bootstrap([1.0, 2.0], seed=0, level=1.0)
    with pytest.raises(ValueError, match="resamples expected a positive number. Received: 0"):
        patient_bootstrap([1.0, 2.0], seed=0, resamples=0)
    with pytest.raises(ValueError, match=r"one patient id each. Received: \(2,\) values, 1 ids"):
        patient_means([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="infinity; count identical slices"):
        patient_means([1.0, np.inf], ["a", "a"])
