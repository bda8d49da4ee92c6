"""Distances beside their floor: sizes, disjoint patients, the jackknife by hand, the gates."""

import numpy as np
import pytest

from tfcyclegan import metrics
from tfcyclegan.evaluation.figures import distances
from tfcyclegan.metrics.extractors import make_extractor

D = 6


def features(patients: int, per_patient: int, seed: int, shift: float = 0.0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(patients, 1, D)) * 0.5
    made = centres + rng.normal(size=(patients, per_patient, D)) + shift
    ids = np.repeat([f"{seed}-{p}".encode() for p in range(patients)], per_patient)
    return made.reshape(-1, D).astype(np.float32), ids


@pytest.fixture(scope="module")
def extractor():
    return make_extractor("randconv_v1")


def scores(extractor, real, fake):
    floor = distances.floor_of(*real, len(real[0]) // 2)
    return distances.entries(extractor, real, fake, floor)


def test_the_same_distribution_is_at_its_floor_and_another_is_not(extractor):
    real = features(40, 5, 0)
    same = scores(extractor, real, features(40, 5, 1))
    other = scores(extractor, real, features(40, 5, 2, shift=1.0))
    assert 0.3 < same["fd_ratio"]["value"] < 3 < 5 < other["fd_ratio"]["value"]
    low, high = same["kid_patient"]["ci"]
    assert low < 0 < high and other["kid_patient"]["ci"][0] > high
    assert other["coverage"]["value"] < same["coverage"]["value"]


def test_the_floor_compares_disjoint_patients_at_one_size():
    made, patients = features(7, 3, 0)
    for seed in range(distances.SPLITS):
        a, b = distances._two_groups(patients, sorted(set(patients)), 9, seed)
        assert not set(patients[a]) & set(patients[b]) and len(a) <= 9
    floor = distances.floor_of(made, patients, 9)
    assert floor["n_slices"] == 9 and floor["value"] == np.median(floor["values"])
    assert len(set(floor["values"])) > 1


def test_one_patient_has_no_floor_and_no_kid_patient(extractor):
    real, fake = features(1, 8, 0), features(1, 8, 1)
    made = scores(extractor, real, fake)
    assert made["fd_floor"]["value"] is None and made["fd_ratio"]["value"] is None
    assert made["kid_patient"]["value"] is None and made["kid"]["value"] is not None
    assert "50 slices" in made["density"]["reason"]


def test_two_patients_have_no_interval_that_looks_certain(extractor):
    made = scores(extractor, features(2, 8, 0), features(2, 8, 1))["kid_patient"]
    assert made["value"] is not None and made["ci"] is None and "two patients" in made["reason"]


def test_the_jackknife_leaves_each_patient_out_once():
    real, fake = features(3, 4, 0), features(3, 4, 1)
    fake = (fake[0], real[1])
    values = distances.jackknife(real, fake)
    left_out = []
    for patient in set(real[1]):
        rows = real[1] != patient
        left_out.append(float(metrics.frechet_distance(real[0][rows], fake[0][rows])))
    # (g - 1) / g times the sum of squares: Efron and Tibshirani, equation 11.5.
    assert sorted(values) == pytest.approx(sorted(left_out), rel=1e-12) and len(values) == 3
    error = np.sqrt(2 / 3 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert distances.standard_error(values) == pytest.approx(error, rel=1e-9)


def test_the_jackknife_of_a_mean_is_the_error_of_the_mean(monkeypatch):
    """With the mean in place of the distance the answer is known: s / sqrt(n)."""
    monkeypatch.setattr(metrics, "frechet_distance", lambda x, y: x.mean())
    values = np.random.default_rng(0).normal(size=(12, 1))
    side = (values, np.arange(12))
    error = distances.standard_error(distances.jackknife(side, side))
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(12), rel=1e-9)


class Classes:
    """The FID network's classes, of features that are logits themselves."""

    def logits(self, features):
        return features


def test_the_inception_score_stands_beside_the_real_slices_and_its_caveat():
    same, sure = np.zeros((20, 5)), np.tile(1000 * np.eye(5), (4, 1))
    # One class for all, however sure: 1; the bound is the number of classes.
    made = distances.inception_score(Classes(), same, np.tile(sure[:1], (20, 1)))
    assert made["value"] == pytest.approx(1.0) and made["real"] == pytest.approx(1.0)
    made = distances.inception_score(Classes(), sure, np.tile(np.log([[0.5, 0.5]]), (30, 1)))
    assert made["value"] == pytest.approx(1.0) and 1 < made["real"] <= 5
    assert made["splits"] == 10 and "says nothing of quality" in made["reason"]
    assert distances.inception_score(Classes(), same[:9], sure)["value"] is None


def test_small_samples_are_told_with_the_floor(extractor):
    made = scores(extractor, features(6, 3, 0), features(6, 3, 1))
    made["fd_randconv_v1"]["dimension"] = 240
    told = distances.warnings_of("a_to_b", made, extractor)
    assert any("rank deficient" in text and "floor" in text for text in told)
    assert any("below the 2048" in text for text in told)
    made["fd_randconv_v1"] |= {"n_real": 5000, "n_fake": 5000}
    assert "recommended 10000" in distances.warnings_of("a_to_b", made, extractor)[0]
    made["fd_randconv_v1"] |= {"n_real": 20000, "n_fake": 20000}
    assert distances.warnings_of("a_to_b", made, extractor) == []
