"""Slices of T2 and FLAIR that show the same place of the same head, for paired metrics.

Pairs come from study, frame of reference, grid and position alone; index-aligned lists are never
paired, because a score on them says nothing about the model.
"""

import dataclasses

import numpy as np

from tfcyclegan.data.slices import Slices

POSITION_TOLERANCE_MM = 1e-3
"""Positions are float32 in records; half a spacing is compared with this much slack."""


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Slices of both domains that show the same place of the same head, row by row.

    Args:
        a: Slices of domain a.
        b: As many slices of domain b.
        unpaired_a: Slices of a without a partner.
        unpaired_b: Slices of b without a partner.
        rows: int64 [N, 2], each pair's rows in the two sets that were paired; None if not known.
    """

    a: Slices
    b: Slices
    unpaired_a: int
    unpaired_b: int
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.a)

    def thin(self, count: int) -> "Pairs":
        """Returns `count` evenly spaced pairs, or all where there are fewer or `count` is 0."""
        if not count or count >= len(self):
            return self
        return self.take(evenly_spaced(len(self), count))

    def take(self, indices: np.ndarray) -> "Pairs":
        """Returns the pairs at `indices`, in that order."""
        rows = None if self.rows is None else self.rows[indices]
        return dataclasses.replace(self, a=self.a.take(indices), b=self.b.take(indices), rows=rows)

    def registration(self) -> dict:
        """Returns why these slices count as pairs: the registration record of an evaluation.

        A shared frame of reference and grid says that scanner or converter put both images into
        one space. It does not say that the patient lay still.
        """
        record = {
            "method": "same study, frame of reference and in-plane grid; nearest position",
            "tolerance": "half the slice spacing",
            "n_pairs": len(self),
        }
        if not len(self):
            return {**record, "offset_mm_mean": None, "offset_mm_max": None}
        place_a, place_b = (s.metadata["geom/frame_pos_mm"] for s in (self.a, self.b))
        offset = np.abs(place_a.astype(np.float64) - place_b)
        return {
            **record,
            "offset_mm_mean": float(offset.mean()),
            "offset_mm_max": float(offset.max()),
        }


def pair(slices_a: Slices, slices_b: Slices) -> Pairs:
    """Pairs slices of one study, frame of reference and grid by their position.

    Two slices are a pair where their positions along the normal differ by at most half the slice
    spacing; each slice is used once, and the nearest pairs go first.
    """
    row_pairs = []
    homes_a, homes_b = _by_home(slices_a), _by_home(slices_b)
    for home in sorted(homes_a.keys() & homes_b.keys()):
        row_pairs += _nearest_pairs(slices_a, slices_b, homes_a[home], homes_b[home])
    row_pairs.sort()
    indices = np.array(row_pairs, dtype=np.int64).reshape(-1, 2)
    return Pairs(
        slices_a.take(indices[:, 0]),
        slices_b.take(indices[:, 1]),
        len(slices_a) - len(indices),
        len(slices_b) - len(indices),
        indices,
    )


def _by_home(slices: Slices) -> dict[tuple, list[int]]:
    keys = ("id/patient", "id/study", "id/frame_of_ref", "geom/grid")
    homes: dict[tuple, list[int]] = {}
    for i, home in enumerate(zip(*(slices.metadata[key] for key in keys), strict=True)):
        homes.setdefault(home, []).append(i)
    return homes


def _nearest_pairs(slices_a: Slices, slices_b: Slices, rows_a: list, rows_b: list) -> list:
    position_a = slices_a.metadata["geom/frame_pos_mm"][rows_a]
    position_b = slices_b.metadata["geom/frame_pos_mm"][rows_b]
    spacing_a = slices_a.metadata["geom/slice_spacing_mm"][rows_a]
    spacing_b = slices_b.metadata["geom/slice_spacing_mm"][rows_b]
    distance = np.abs(position_a[:, np.newaxis] - position_b[np.newaxis])
    limit = 0.5 * np.minimum(spacing_a[:, np.newaxis], spacing_b[np.newaxis])
    row_pairs, used_a, used_b = [], set(), set()
    for flat in np.argsort(distance, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, distance.shape)
        if (
            distance[i, j] <= limit[i, j] + POSITION_TOLERANCE_MM
            and i not in used_a
            and j not in used_b
        ):
            row_pairs.append((rows_a[i], rows_b[j]))
            used_a.add(i)
            used_b.add(j)
    return row_pairs


def evenly_spaced(total: int, count: int) -> np.ndarray:
    """Returns `count` evenly spaced indices below `total`, all of them where there are fewer."""
    count = min(count, total)
    return np.round((np.arange(count) + 0.5) * total / max(1, count) - 0.5).astype(int)
