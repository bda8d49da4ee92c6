"""The slices that a run is validated on: the same ones each time, pairs first."""

import dataclasses

import numpy as np

from tfcyclegan.data.pairing import evenly_spaced, pair
from tfcyclegan.data.slices import Slices


@dataclasses.dataclass(frozen=True)
class ValidationSlices:
    """Slices of both domains; row i of `a` and row i of `b` are a pair for i < `pairs`.

    Args:
        a: Slices of domain a.
        b: Slices of domain b, of any number.
        pairs: Number of pairs; the other rows have nothing to do with each other.
    """

    a: Slices
    b: Slices
    pairs: int

    @classmethod
    def choose(cls, slices_a: Slices, slices_b: Slices, count: int) -> "ValidationSlices":
        """Returns at most `count` slices of each domain (0: all), evenly spaced over all there are.

        Pairs come first; slices without a partner are taken only where pairs leave room.
        """
        found = pair(slices_a, slices_b)
        chosen = found.thin(count)
        rows = [
            _rows(every, kept, _without_partner(every, partners), count)
            for every, kept, partners in (
                (slices_a, chosen.a, found.a),
                (slices_b, chosen.b, found.b),
            )
        ]
        return cls(slices_a.take(rows[0]), slices_b.take(rows[1]), len(chosen))

    def shown(self, count: int) -> "ValidationSlices":
        """Returns `count` rows of each domain to look at: pairs, where there are any."""
        if self.pairs:
            rows = evenly_spaced(self.pairs, count)
            return ValidationSlices(self.a.take(rows), self.b.take(rows), len(rows))
        rows_a, rows_b = (evenly_spaced(len(slices), count) for slices in (self.a, self.b))
        both = min(len(rows_a), len(rows_b))
        return ValidationSlices(self.a.take(rows_a[:both]), self.b.take(rows_b[:both]), 0)

    def __str__(self) -> str:
        if len(self.a) == len(self.b) == self.pairs:
            return f"{self.pairs} pairs"
        return f"{len(self.a)} and {len(self.b)} slices, {self.pairs or 'no'} pairs"


def slice_ids(slices: Slices) -> list[tuple[bytes, int]]:
    """Returns the series and position of each slice, which no other slice has."""
    series, index = slices.metadata["id/series"], slices.metadata["geom/slice_index"]
    return [(bytes(one), int(other)) for one, other in zip(series, index, strict=True)]


def _without_partner(every: Slices, partners: Slices) -> np.ndarray:
    taken = set(slice_ids(partners))
    return np.array([i for i, one in enumerate(slice_ids(every)) if one not in taken], np.int64)


def _rows(every: Slices, kept: Slices, others: np.ndarray, count: int) -> np.ndarray:
    row_of = {one: i for i, one in enumerate(slice_ids(every))}
    rows = [row_of[one] for one in slice_ids(kept)]
    if count:
        room = count - len(rows)
        others = others[evenly_spaced(len(others), room)] if room else others[:0]
    return np.array([*rows, *others], np.int64)
