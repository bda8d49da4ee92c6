"""The slices that a run is validated on: the same ones each time, pairs first."""

import dataclasses

import numpy as np

from tfcyclegan.data import labels
from tfcyclegan.data.pairing import Pairs, evenly_spaced, pair
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
        all_pairs = pair(slices_a, slices_b)
        chosen = all_pairs.thin(count)
        rows = [
            _rows(slices, chosen_slices, _without_partner(slices, partners), count)
            for slices, chosen_slices, partners in (
                (slices_a, chosen.a, all_pairs.a),
                (slices_b, chosen.b, all_pairs.b),
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

    def label_images(self, count: int) -> np.ndarray:
        """Returns `count` label images of virtual patients, float32 [count, S, S, 3], model range.

        Brains are those of the pairs, lesions those of others among them; both were loaded with
        their masks.
        """
        rows = np.arange(self.pairs)
        pairs = Pairs(self.a.take(rows), self.b.take(rows), 0, 0)
        return labels.images(labels.drawn(labels.of_pairs(pairs)[1], np.arange(count))[0])

    def __str__(self) -> str:
        if len(self.a) == len(self.b) == self.pairs:
            return f"{self.pairs} pairs"
        return f"{len(self.a)} and {len(self.b)} slices, {self.pairs or 'no'} pairs"


def slice_ids(slices: Slices) -> list[tuple[bytes, int]]:
    """Returns the series and position of each slice, which no other slice has."""
    series, index = slices.metadata["id/series"], slices.metadata["geom/slice_index"]
    return [(bytes(key), int(position)) for key, position in zip(series, index, strict=True)]


def _without_partner(every: Slices, partners: Slices) -> np.ndarray:
    partner_ids = set(slice_ids(partners))
    return np.array(
        [i for i, slice_id in enumerate(slice_ids(every)) if slice_id not in partner_ids], np.int64
    )


def _rows(every: Slices, kept: Slices, others: np.ndarray, count: int) -> np.ndarray:
    row_of = {slice_id: i for i, slice_id in enumerate(slice_ids(every))}
    rows = [row_of[slice_id] for slice_id in slice_ids(kept)]
    if count:
        room = count - len(rows)
        others = others[evenly_spaced(len(others), room)] if room else others[:0]
    return np.array([*rows, *others], np.int64)
