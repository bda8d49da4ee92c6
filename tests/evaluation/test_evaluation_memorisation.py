"""A copied training slice is found; a slice of the same patient does not count."""

import numpy as np
import pytest
from scipy.spatial import distance

from tfcyclegan.evaluation.gates import memorisation


def smooth(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 1, (count, 8, 8))
    return np.rint(np.kron(coarse, np.ones((8, 8))) * 65535).astype(np.uint16)


def spaces(*sides):
    """Features of images that are 80 of their pixels."""
    return tuple((x.reshape(len(x), -1)[:, :80].astype(np.float32), ids) for x, ids in sides)


def test_a_copy_comes_first_and_each_slice_once():
    fake, train = smooth(20, 0), smooth(30, 1)
    fake[7] = train[11] + 65 * (train[11] < 60000).astype(np.uint16)  # 0.001 in unit range
    owners = np.array([b"p"] * 20), np.array([b"q"] * 30)
    sides = ((fake, owners[0]), (smooth(20, 2), np.array([b"r"] * 20)), (train, owners[1]))
    report, pairs = memorisation.section(*sides, spaces(*sides))
    assert pairs[0][:2] == (7, 11) and pairs[0][2] < 0.002 < 0.1 < pairs[1][2]
    assert len(pairs) <= memorisation.SHOWN
    assert len({a for a, _, _ in pairs}) == len({b for _, b, _ in pairs}) == len(pairs)
    assert report["features"]["copying_score"] is not None
    assert report["n_train"] == 30 and 0 <= report["closer_to_train"] <= 1


def test_the_nearest_is_scipys_with_the_same_patient_left_out():
    rng = np.random.default_rng(0)
    queries, candidates = (rng.uniform(size=(n, 12)).astype(np.float32) for n in (300, 40))
    a, b = rng.integers(0, 3, 300), rng.integers(0, 3, 40)
    rows, distances = memorisation.nearest(queries, a, candidates, b)
    table = distance.cdist(queries, candidates) / np.sqrt(12)
    table[a[:, None] == b] = np.inf
    np.testing.assert_array_equal(rows, table.argmin(axis=1))
    np.testing.assert_allclose(distances, table.min(axis=1), atol=1e-6)


def test_only_the_same_patient_is_no_neighbour_at_all():
    fake = smooth(3, 0)
    owners = np.array([b"p"] * 3)
    sides = [(fake, owners)] * 3
    report, pairs = memorisation.section(*sides, spaces(*sides))
    assert pairs == [] and np.isnan(report["closer_to_train"])
    assert np.isnan(report["authentic"]) and report["reason"] == memorisation.TOO_FEW


def test_thumbnails_are_area_means():
    image = np.random.default_rng(0).integers(0, 65536, (1, 64, 64)).astype(np.uint16)
    expected = image[0].reshape(32, 2, 32, 2).mean(axis=(1, 3)).ravel() / 65535
    assert memorisation.thumbnails(image)[0] == pytest.approx(expected, abs=2e-5)


def test_authentic_slices_are_farther_than_training_slices_are_from_each_other():
    """On a line: training slices at 0, 4 and 10, of three patients; fakes at 1, 5 and 16."""
    train = np.array([[0.0], [4], [10]]), np.arange(3)
    fake = np.array([[1.0], [5], [16]]), np.arange(3) + 10
    real = np.array([[4.5], [21]]), np.arange(2) + 20
    report, rows, distance = memorisation.figures(fake, real, train)
    assert rows.tolist() == [0, 1, 2] and distance.tolist() == [1, 1, 6]
    # Nearest other patients: 4, 4, 6. Distances 1 and 1 are below; 6 is not above 6.
    assert report["authentic"] == 0.0 and report["authentic_of_real"] == 0.5
    same = memorisation.figures(fake, real, (train[0], np.array([10, 1, 2])))[0]
    # The fake at 1 is of the patient at 0, so that 4 is its nearest, 3 away; others as before.
    assert same["authentic"] == 0.0 and same["median_distance_to_train"] == 3.0
    far = memorisation.figures((fake[0] + 100, fake[1]), real, train)[0]
    assert far["authentic"] == 1.0


def clusters(count: int, offset: float, seed: int) -> np.ndarray:
    """`count` points in each of three far clusters, `offset` beside the cluster's line."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(-1, 1, (3 * count, 1)) + 100 * np.repeat(np.arange(3), count)[:, None]
    return np.hstack([place, np.full((3 * count, 1), offset)])


def test_the_copying_score_of_separate_distances_has_a_closed_form():
    train = clusters(200, 0.0, 0), np.zeros(600)
    n, m = 30, 25
    fake, real = (clusters(n, 0.5, 1), np.ones(3 * n)), (clusters(m, 5.0, 2), np.full(3 * m, 2))
    # All fakes are nearer than all real slices: U = 0 in each cell.
    expected = (-n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12)
    assert memorisation.copying_score(fake, real, train) == pytest.approx(expected, rel=1e-12)
    expected = (n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12)
    further = clusters(n, 9.0, 1), np.ones(3 * n)
    assert memorisation.copying_score(further, real, train) == pytest.approx(expected, rel=1e-12)
    alike = np.zeros((5, 2)), np.zeros(5)
    assert np.isfinite(memorisation.copying_score(fake, real, alike))
    few = tuple(part[:20] for part in fake)
    assert np.isnan(memorisation.copying_score(few, real, train))


def test_the_copying_score_is_none_of_the_cells_own_and_rotations_change_nothing():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(90, 90)))[0]
    train, fake, real = (rng.normal(size=(n, 90)) * np.arange(1, 91) ** -1.0 for n in (300, 90, 80))
    fake[:40] = train[:40] + 0.01 * rng.normal(size=(40, 90))
    ids = [np.full(len(x), i) for i, x in enumerate((fake, real, train))]
    sides = list(zip((fake, real, train), ids, strict=True))
    score = memorisation.copying_score(*sides)
    assert score < -2
    turned = [(x @ turn + 7, owners) for x, owners in sides]
    assert memorisation.copying_score(*turned) == pytest.approx(score, rel=1e-6)
    # A copy of the own patient's slice is none.
    mine = (fake, np.full(90, 2)), sides[1], sides[2]
    assert np.isnan(memorisation.copying_score(*mine))
