"""Which slices a run is validated on."""

import numpy as np
import pytest

from tfcyclegan.data.slices import Slices
from tfcyclegan.data.validation_slices import ValidationSlices, slice_ids

SAME = ("id/study", "id/frame_of_ref", "geom/grid")


def slices(sequence: bytes, patients: list[bytes], per_patient: int = 4) -> Slices:
    """Slices of whole patients, 5 mm apart, whose grey is the slice's number."""
    names = np.repeat(patients, per_patient)
    index = np.tile(np.arange(per_patient), len(patients))
    metadata = {"id/patient": names, **dict.fromkeys(SAME, names), "geom/slice_index": index}
    metadata["id/series"] = np.array([sequence + name for name in names])
    metadata["geom/frame_pos_mm"] = 5.0 * index
    metadata["geom/slice_spacing_mm"] = np.full(len(index), 5.0)
    return Slices(
        np.arange(len(index), dtype=np.uint16)[:, None, None] + np.zeros((8, 8), np.uint16),
        metadata,
    )


def chosen(count: int, a: list[bytes], b: list[bytes]) -> ValidationSlices:
    return ValidationSlices.choose(slices(b"t2", a), slices(b"fl", b), count)


@pytest.mark.parametrize(
    ("count", "a", "b", "pairs"),
    [(0, 12, 8, 8), (100, 12, 8, 8), (10, 10, 8, 8), (8, 8, 8, 8), (3, 3, 3, 3)],
)
def test_pairs_come_first_and_others_fill_the_room(count, a, b, pairs):
    made = chosen(count, [b"p", b"q", b"r"], [b"q", b"r"])
    assert (len(made.a), len(made.b), made.pairs) == (a, b, pairs)
    for domain in (made.a, made.b):
        assert len(set(slice_ids(domain))) == len(domain)
    both = [domain.metadata["id/patient"][:pairs].tolist() for domain in (made.a, made.b)]
    assert both[0] == both[1] and b"p" not in both[0]
    assert set(made.a.metadata["id/patient"][pairs:]) <= {b"p"}


def test_without_pairs_both_domains_are_thinned_evenly():
    made = chosen(2, [b"p", b"q"], [b"r", b"s"])
    assert made.pairs == 0 and str(made) == "2 and 2 slices, no pairs"
    assert made.a.images[:, 0, 0].tolist() == [2, 6]  # the middle of each half of 0 to 7
    assert len(chosen(0, [b"p"], [b"r", b"s"]).b) == 8


def test_what_is_shown_are_pairs_where_there_are_any():
    assert chosen(0, [b"p", b"q"], [b"q"]).shown(3).pairs == 3
    none = chosen(0, [b"p"], [b"q", b"r"]).shown(5)
    assert (len(none.a), len(none.b), none.pairs) == (4, 4, 0)
