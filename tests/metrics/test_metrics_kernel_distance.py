"""The kernel distance against an exact fraction and a double loop; patients; its interval."""

import sys
from fractions import Fraction

import numpy as np
import pytest

from tfcyclegan.metrics import (
    PatientKernelSums,
    kernel_distance,
    kernel_distance_patient,
    kernel_distance_patient_difference,
    kernel_distance_patient_interval,
)

X = np.array([[1, 0, 2], [0, 1, 1], [2, 2, 0]])
Y = np.array([[1, 1, 1], [0, 2, 1], [3, 0, 1], [1, 2, 2]])


def slow_distance(x, x_ids, y, y_ids):
    """The definition, pair by pair; pairs of equal ids are left out."""

    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def within(z, ids):
        n = range(len(z))
        return np.mean([k(z[i], z[j]) for i in n for j in n if ids[i] != ids[j]])

    return within(x, x_ids) + within(y, y_ids) - 2 * np.mean([k(a, b) for a in x for b in y])


@pytest.fixture
def study():
    """Three and four patients with unequal numbers of slices, six dimensions."""
    rng = np.random.default_rng(1)
    real_ids, fake_ids = list("aaabbcccc"), list("dddeeffffffg")
    centre = {patient: rng.normal(size=6) for patient in "abcdefg"}
    real = np.array([centre[p] + 0.5 * rng.normal(size=6) for p in real_ids])
    fake = np.array([centre[p] + 0.5 * rng.normal(size=6) for p in fake_ids])
    return real, real_ids, fake, fake_ids


def test_exact_fraction():
    def k(a, b):
        return (Fraction(int(a @ b), 3) + 1) ** 3

    within_x = sum(k(X[i], X[j]) for i in range(3) for j in range(3) if i != j) / 6
    within_y = sum(k(Y[i], Y[j]) for i in range(4) for j in range(4) if i != j) / 12
    cross = sum(k(a, b) for a in X for b in Y) / 12
    assert within_x + within_y - 2 * cross == Fraction(-377, 54)
    value = kernel_distance(X, Y)
    assert value == pytest.approx(-6.981481481481482, abs=1e-12)
    # The biased form keeps the diagonal; a value cut off at 0 is biased too.
    assert value != pytest.approx(6.678240740740741, abs=1)
    assert value < 0


def test_one_slice_per_patient_equals_the_plain_distance():
    value = kernel_distance_patient(X, [1, 2, 3], Y, ["p", "q", "r", "s"])
    assert value == pytest.approx(kernel_distance(X, Y), abs=1e-12)


def test_equals_the_definition(study):
    real, real_ids, fake, fake_ids = study
    assert kernel_distance_patient(*study) == pytest.approx(slow_distance(*study), rel=1e-12)
    plain = slow_distance(real, range(len(real)), fake, range(len(fake)))
    assert kernel_distance(real, fake) == pytest.approx(plain, rel=1e-12)
    assert abs(plain - slow_distance(*study)) > 0.1


def test_order_of_slices_and_sides_do_not_matter(study):
    real, real_ids, fake, fake_ids = study
    order = np.random.default_rng(0).permutation(len(real))
    shuffled = (real[order], [real_ids[i] for i in order])
    value = kernel_distance_patient(*study)
    assert kernel_distance_patient(*shuffled, fake, fake_ids) == pytest.approx(value, rel=1e-12)
    assert kernel_distance_patient(fake, fake_ids, real, real_ids) == pytest.approx(value)
    assert kernel_distance(real[order], fake) == pytest.approx(kernel_distance(real, fake))


def test_blocks_of_rows_change_nothing(study, monkeypatch):
    plain, patient = kernel_distance(study[0], study[2]), kernel_distance_patient(*study)
    monkeypatch.setattr(sys.modules["tfcyclegan.metrics.kernel_distance"], "_ROWS", 4)
    assert kernel_distance(study[0], study[2]) == pytest.approx(plain, rel=1e-12)
    assert kernel_distance_patient(*study) == pytest.approx(patient, rel=1e-12)


def test_unbiased_for_small_samples():
    rng = np.random.default_rng(0)
    values = [kernel_distance(*rng.normal(size=(2, 20, 8))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert np.std(values) > 0.01


def test_patients_remove_the_bias_of_alike_slices():
    rng = np.random.default_rng(0)
    plain, patient = [], []
    for _ in range(100):
        sides = []
        for _ in range(2):
            centres = np.repeat(rng.normal(size=(12, 8)), 5, axis=0)
            sides += [centres + 0.3 * rng.normal(size=centres.shape), np.repeat(np.arange(12), 5)]
        plain.append(kernel_distance(sides[0], sides[2]))
        patient.append(kernel_distance_patient(*sides))
    # Both sides have one distribution: the truth is 0.
    assert abs(np.mean(patient)) < 4 * np.std(patient) / 10
    assert np.mean(plain) > 10 * np.std(plain) / 10


def test_interval(study):
    sums = PatientKernelSums.of(*study)
    interval = kernel_distance_patient_interval(sums, seed=0)
    assert interval.estimate == pytest.approx(kernel_distance_patient(*study), rel=1e-12)
    assert interval.low <= interval.high
    assert interval.n_patients == 7
    # With three real patients, one sample in nine draws a single one of them: 0.11 + 0.016.
    assert 0.8 * 2000 < interval.resamples < 0.95 * 2000
    assert kernel_distance_patient_interval(sums, seed=0) == interval
    assert kernel_distance_patient_interval(sums, seed=3) != interval
    assert kernel_distance_patient_interval(sums, seed=0, level=0.5).low > interval.low


def test_weights_count_a_patient_twice(study):
    real, real_ids, fake, fake_ids = study
    sums = PatientKernelSums.of(*study)
    # Patient b twice is b's slices twice, whose pairs are still pairs of one patient.
    rows = [*range(len(real)), 3, 4]
    doubled = kernel_distance_patient(real[rows], [real_ids[i] for i in rows], fake, fake_ids)
    value = sums.distances([[1, 2, 1]], np.ones((1, 4)))
    assert value.shape == (1,)
    assert value[0] == pytest.approx(doubled, rel=1e-12)
    assert np.isnan(sums.distances([[0, 2, 0]], np.ones((1, 4)))[0])


def test_shared_patients_are_drawn_together(study):
    real, real_ids = study[:2]
    # A perfect copy of the same patients: in each sample the cross term sees the same draw.
    together = kernel_distance_patient_interval(
        PatientKernelSums.of(real, real_ids, real, real_ids), seed=0
    )
    apart = kernel_distance_patient_interval(
        PatientKernelSums.of(real, real_ids, real, [p.upper() for p in real_ids]), seed=0
    )
    assert together.n_patients == 3
    assert apart.n_patients == 6
    assert together.high - together.low < apart.high - apart.low


def test_a_difference_draws_the_same_patients_for_both():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(12), 4)
    real = np.repeat(rng.normal(size=(12, 6)), 4, axis=0) + 0.3 * rng.normal(size=(48, 6))
    near, far = (real + shift + 0.1 * rng.normal(size=real.shape) for shift in (0.2, 0.5))
    first, other = (PatientKernelSums.of(real, ids, fake, ids) for fake in (far, near))
    made = kernel_distance_patient_difference(first, other, seed=0)
    values = [kernel_distance_patient(real, ids, fake, ids) for fake in (far, near)]
    assert made.estimate == pytest.approx(values[0] - values[1], rel=1e-12)
    # By the definition, for two draws that are written out: a patient drawn twice counts twice.
    w = np.array([[2, 0, 3, 1, 1, 0, 0, 1, 2, 1, 1, 0]])
    rows = np.concatenate([np.flatnonzero(ids == p) for p in range(12) for _ in range(w[0, p])])
    slow = [slow_distance(real[rows], ids[rows], fake[rows], ids[rows]) for fake in (far, near)]
    difference = first.distances(w, w) - other.distances(w, w)
    assert difference[0] == pytest.approx(slow[0] - slow[1], rel=1e-9)
    alone = [kernel_distance_patient_interval(sums, seed=0) for sums in (first, other)]
    assert made.low > 0 and alone[0].low < alone[1].high
    assert made.high - made.low < min(one.high - one.low for one in alone)
    itself = kernel_distance_patient_difference(first, first, seed=0)
    assert itself[:3] == (0.0, 0.0, 0.0)
    strangers = PatientKernelSums.of(real, ids + 1, near, ids + 1)
    with pytest.raises(ValueError, match="the same patients. Received: others"):
        kernel_distance_patient_difference(first, strangers, seed=0)


def test_bad_input_is_refused(study):
    real, real_ids, fake, fake_ids = study
    with pytest.raises(ValueError, match=r"N >= 2. Received: \(1, 6\)"):
        kernel_distance(real[:1], fake)
    with pytest.raises(ValueError, match="one feature dimension. Received: 6, 5"):
        kernel_distance(real, fake[:, :5])
    with pytest.raises(ValueError, match="finite"):
        kernel_distance(real, fake * np.nan)
    with pytest.raises(ValueError, match="Received: 8 ids of 3 patients for 9 features"):
        kernel_distance_patient(real, real_ids[1:], fake, fake_ids)
    with pytest.raises(ValueError, match="fake features expected .* of two or more patients"):
        kernel_distance_patient(real, real_ids, fake, ["d"] * len(fake))
    sums = PatientKernelSums.of(*study)
    with pytest.raises(ValueError, match="level expected between 0 and 1. Received: 95"):
        kernel_distance_patient_interval(sums, seed=0, level=95)
    with pytest.raises(ValueError, match="resamples expected a positive number"):
        kernel_distance_patient_interval(sums, seed=0, resamples=0)
