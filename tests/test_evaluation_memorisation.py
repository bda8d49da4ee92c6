"""A copied training slice is found; a slice of the same patient does not count."""

import numpy as np
import pytest
from scipy.spatial import distance

from tfcyclegan.evaluation import memorisation


def smooth(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 1, (count, 8, 8))
    return np.rint(np.kron(coarse, np.ones((8, 8))) * 65535).astype(np.uint16)


def test_a_copy_comes_first_and_each_slice_once():
    fake, train = smooth(20, 0), smooth(30, 1)
    fake[7] = train[11] + 65 * (train[11] < 60000).astype(np.uint16)  # 0.001 in unit range
    owners = np.array([b"p"] * 20), np.array([b"q"] * 30)
    report, pairs = memorisation.section(
        (fake, owners[0]), (smooth(20, 2), np.array([b"r"] * 20)), (train, owners[1])
    )
    assert pairs[0][:2] == (7, 11) and pairs[0][2] < 0.002 < 0.1 < pairs[1][2]
    assert len(pairs) <= memorisation.SHOWN
    assert len({a for a, _, _ in pairs}) == len({b for _, b, _ in pairs}) == len(pairs)
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
    report, pairs = memorisation.section((fake, owners), (fake, owners), (fake, owners))
    assert pairs == [] and np.isnan(report["closer_to_train"])


def test_thumbnails_are_area_means():
    image = np.random.default_rng(0).integers(0, 65536, (1, 64, 64)).astype(np.uint16)
    expected = image[0].reshape(32, 2, 32, 2).mean(axis=(1, 3)).ravel() / 65535
    assert memorisation.thumbnails(image)[0] == pytest.approx(expected, abs=2e-5)
