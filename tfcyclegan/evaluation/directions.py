"""Pairs of slices as the two directions of translation."""

import dataclasses

import numpy as np

from tfcyclegan.data.pairing import Pairs


@dataclasses.dataclass(frozen=True)
class Direction:
    """One direction of paired evaluation; images are float32 [N, H, W, 1], unit range.

    Args:
        name: "a_to_b" or "b_to_a".
        source: Slices that are translated.
        target: Real slices of the same place.
        patients: Pseudonym of each slice's patient, [N].
        volumes: Id of each slice's target series, [N].
        indices: Position of each slice in its target series, [N].
    """

    name: str
    source: np.ndarray
    target: np.ndarray
    patients: np.ndarray
    volumes: np.ndarray
    indices: np.ndarray


def directions_of(pairs: Pairs) -> tuple[Direction, Direction]:
    """Returns both directions of a set of pairs."""
    a, b = pairs.a.unit(), pairs.b.unit()
    return (_direction("a_to_b", a, b, pairs.b), _direction("b_to_a", b, a, pairs.a))


def _direction(name: str, source: np.ndarray, target: np.ndarray, slices) -> Direction:
    ids = {key: slices.metadata[key] for key in ("id/patient", "id/series", "geom/slice_index")}
    return Direction(
        name, source, target, ids["id/patient"], ids["id/series"], ids["geom/slice_index"]
    )
