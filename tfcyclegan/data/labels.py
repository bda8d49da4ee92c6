"""Label images: what a slice holds and where, made of its masks; and lesions of other patients.

The one exception to the rule that no network sees a mask: a model that paints labels
(`data_kind` "labelled_pairs") is given these and nothing else of them.
"""

import dataclasses

import numpy as np

from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import Slices

MASKS = ("lesion", "brain", "ventricle")
"""That label images are made of, in the order of their channels."""
NEEDED = MASKS[:2]
"""Without these a slice has no label image; a ventricle may be missing."""
FEWEST_PIXELS = 16
"""Of a foreign lesion inside the brain that it is planted in."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """The masks of pairs, and whose lesions may be planted in whose brains.

    Args:
        masks: bool [N, S, S, 3], of `MASKS`; a lesion lies inside its brain.
        donors: Rows whose lesion may stand in for that of row n, those of `first[n]` and the
            `count[n]` from there on.
        first: int [N].
        count: int [N]; 0 where no lesion of another patient fits.
    """

    masks: np.ndarray
    donors: np.ndarray
    first: np.ndarray
    count: np.ndarray

    def __len__(self) -> int:
        return len(self.masks)

    def foreign(self, row: int, draw: float) -> np.ndarray:
        """Returns the masks of a row with the lesion of another patient, bool [S, S, 3].

        Args:
            row: Whose brain and ventricles.
            draw: From 0 to below 1, which of the donors; where there is none the own lesion stays.
        """
        if not self.count[row]:
            return self.masks[row]
        donor = self.donors[self.first[row] + int(draw * self.count[row])]
        own = self.masks[row]
        return np.concatenate([self.masks[donor, ..., :1] & own[..., 1:2], own[..., 1:]], -1)


def of_pairs(pairs: Pairs, tolerance: float = 0.0) -> tuple[Pairs, Labels]:
    """Returns the pairs that have lesion and brain masks, and their labels.

    The masks are those of domain a, or of domain b where a has none.

    Args:
        pairs: Loaded with `MASKS`.
        tolerance: Donors lie within this distance of the relative position in the head; 0 is any.
    """
    known_a, known_b = (_known(side) for side in (pairs.a, pairs.b))
    rows = np.flatnonzero(known_a | known_b)
    kept, from_a = pairs.take(rows), known_a[rows]
    masks = np.where(from_a[:, None, None, None], _stacked(kept.a), _stacked(kept.b))
    masks[..., 0] &= masks[..., 1]
    places = kept.a.metadata["geom/slice_frac"]
    donors = _donors(masks, kept.a.metadata["id/patient"], places, tolerance)
    count = np.array([len(found) for found in donors], int)
    first = np.cumsum(count) - count
    return kept, Labels(masks, np.concatenate([*donors, np.zeros(0, int)]), first, count)


def images(masks: np.ndarray) -> np.ndarray:
    """Returns label images in model range, float32 of the shape of masks bool [..., 3].

    Channels are lesion, brain without lesion, and ventricle: 1 inside and -1 outside.
    """
    inside = np.stack(channels(*np.moveaxis(masks, -1, 0)), -1)
    return 2.0 * inside.astype(np.float32) - 1.0


def channels(lesion, brain, ventricle) -> list:
    """Returns what a label image says of a pixel, of masks: arrays or tensors of bool."""
    return [lesion & brain, brain & ~lesion, ventricle]


def drawn(labels: Labels, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the masks of virtual patients, and the rows whose brains they have.

    A number is one virtual patient, whatever else is asked for.

    Args:
        labels: At least one; of none there is no virtual patient.
        numbers: int [N].

    Returns:
        (masks bool [N, S, S, 3], rows int [N]).
    """
    if not len(labels):
        return labels.masks, np.zeros(0, int)
    rows = numbers % len(labels)
    draws = [np.random.default_rng([0, number]).random() for number in numbers]
    masks = [labels.foreign(row, draw) for row, draw in zip(rows, draws, strict=True)]
    return np.stack(masks), rows


def _known(side: Slices) -> np.ndarray:
    return np.all([side.metadata[f"mask/{name}"] for name in NEEDED], axis=0)


def _stacked(side: Slices) -> np.ndarray:
    return np.stack([side.masks[name] for name in MASKS], -1)


def _donors(
    masks: np.ndarray, patients: np.ndarray, places: np.ndarray, tolerance: float
) -> list[np.ndarray]:
    """Returns for each row the rows of other patients whose lesion fits into its brain."""
    pixels = masks.shape[1] * masks.shape[2]
    lesions, brains = (masks[..., k].reshape(-1, pixels).astype(np.float32) for k in (0, 1))
    has = np.flatnonzero(lesions.any(axis=1))
    found = []
    for row, brain in enumerate(brains):
        fits = (lesions[has] @ brain >= FEWEST_PIXELS) & (patients[has] != patients[row])
        if tolerance:
            fits &= np.abs(places[has] - places[row]) <= tolerance
        found.append(has[fits])
    return found
