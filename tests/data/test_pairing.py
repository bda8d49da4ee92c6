"""Pairs are slices of the same place, never of the same row."""

import numpy as np

from tfcyclegan.data.pairing import pair
from tfcyclegan.data.slices import Slices


def slices(positions, *, study=b"s", grid=b"g", spacing=4.0) -> Slices:
    count = len(positions)
    metadata = {
        "id/patient": np.full(count, b"p"),
        "id/study": np.full(count, study),
        "id/frame_of_ref": np.full(count, b"f"),
        "geom/grid": np.full(count, grid),
        "geom/frame_pos_mm": np.array(positions, np.float32),
        "geom/slice_spacing_mm": np.full(count, spacing, np.float32),
        "id/series": np.full(count, b"x"),
        "geom/slice_index": np.arange(count),
    }
    return Slices(np.arange(count, dtype=np.uint16)[:, None, None], metadata)


def rows(pairs) -> list[tuple[int, int]]:
    return list(
        zip(pairs.a.images[:, 0, 0].tolist(), pairs.b.images[:, 0, 0].tolist(), strict=True)
    )


def test_slices_pair_by_position_and_not_by_index():
    made = pair(slices([0, 4, 8, 12]), slices([8.2, 4.1, -0.3]))
    assert rows(made) == [(0, 2), (1, 1), (2, 0)]
    assert (made.unpaired_a, made.unpaired_b) == (1, 0)


def test_half_a_spacing_is_the_limit():
    assert rows(pair(slices([0.0]), slices([2.0]))) == [(0, 0)]
    assert rows(pair(slices([0.0]), slices([2.1]))) == []
    assert rows(pair(slices([0.0]), slices([1.5], spacing=2.0))) == []


def test_each_slice_is_used_once_and_the_nearest_wins():
    assert rows(pair(slices([0.0]), slices([1.0, 0.5]))) == [(0, 1)]


def test_another_study_or_grid_is_another_place():
    assert len(pair(slices([0, 4]), slices([0, 4], study=b"other"))) == 0
    assert len(pair(slices([0, 4]), slices([0, 4], grid=b"other"))) == 0


def test_thinning_spreads_over_all_pairs():
    made = pair(slices(range(0, 400, 4)), slices(range(0, 400, 4)))
    assert [a for a, _ in rows(made.thin(4))] == [12, 37, 62, 87]
    assert len(made.thin(0)) == len(made.thin(1000)) == 100
