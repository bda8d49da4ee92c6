"""What the slice viewer shows, and how much of it fits into a page."""

import collections
import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np

MAX_PATIENTS = 6
"""Names of volumes in one page; more are thinned evenly."""
MAX_PIXELS = 20 << 20
"""Pixels in one page, 320 slices of 256 x 256: about 30 MB on a noisy scan."""


@dataclasses.dataclass(frozen=True)
class Volume:
    """Layers of one volume that show the same places.

    Args:
        name: Pseudonym or number that the viewer offers; volumes of two directions may share it.
        layers: float32 [S, H, W] in unit range by "source", "synthetic", "real", "risk",
            "lesion" (a mask, drawn as an outline) or any other name, which is shown as an image.
            The page computes the error map where synthetic and real are there.
        direction: "a_to_b", "b_to_a" or a text of its own.
        marks: Why a slice is marked, by its row.
        rows: Row that each slice had before thinning; all where empty.
    """

    name: str
    layers: Mapping[str, np.ndarray]
    direction: str = ""
    marks: Mapping[int, str] = dataclasses.field(default_factory=dict)
    rows: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.layers.values())))

    def take(self, rows: np.ndarray) -> "Volume":
        """Returns the volume with some of its slices, and all their marks."""
        return dataclasses.replace(
            self,
            layers={label: stack[rows] for label, stack in self.layers.items()},
            marks={i: self.marks[row] for i, row in enumerate(rows) if row in self.marks},
            rows=tuple(int(row) for row in rows),
        )


def volumes_of(
    direction: str, patients: np.ndarray, series: np.ndarray, indices: np.ndarray, layers: Mapping
) -> list[Volume]:
    """Returns the volumes that slices make up, each with its slices in order.

    Args:
        direction: As in `Volume`.
        patients: Pseudonym of each slice's patient, bytes [N]; it becomes the name.
        series: Id of each slice's series, [N].
        indices: Position of each slice in its series, [N].
        layers: Label to float32 [N, H, W, 1] in unit range.
    """
    rows_of: dict[tuple, list[int]] = {}
    for row in np.argsort(indices, kind="stable"):
        rows_of.setdefault((patients[row].decode(), series[row]), []).append(int(row))
    volumes, counts = [], collections.Counter()
    for home in sorted(rows_of):
        patient, rows = home[0], rows_of[home]
        counts[patient] += 1
        name = patient if counts[patient] == 1 else f"{patient} ({counts[patient]})"
        stacks = {label: images[rows][..., 0] for label, images in layers.items()}
        volumes.append(Volume(name, stacks, direction))
    return volumes


def thin(volumes: list[Volume]) -> list[Volume]:
    """Returns evenly spaced patients, and evenly spaced slices of each, that fit into a page.

    Marked slices are kept before others. A stack that is in two volumes counts once.
    """
    names = list(dict.fromkeys(volume.name for volume in volumes))
    shown_names = {names[i] for i in spaced(len(names), MAX_PATIENTS)}
    kept = [volume for volume in volumes if volume.name in shown_names]
    distinct = {digest(s): s[0].size for v in kept for s in v.layers.values() if len(s)}
    count = max(1, MAX_PIXELS // max(1, sum(distinct.values())))
    return [volume.take(_rows(volume, count)) for volume in kept]


def _rows(volume: Volume, count: int) -> np.ndarray:
    marked = np.array(sorted(volume.marks), dtype=int)
    if len(marked) >= count:
        return marked[spaced(len(marked), count)]
    others = np.setdiff1d(np.arange(len(volume)), marked)
    return np.sort(np.concatenate([marked, others[spaced(len(others), count - len(marked))]]))


def spaced(length: int, count: int) -> np.ndarray:
    """Returns at most `count` evenly spaced rows out of `length`."""
    count = min(length, count)
    return np.floor((np.arange(count) + 0.5) * length / max(count, 1)).astype(int)


def digest(stack: np.ndarray) -> str:
    """Returns what tells one stack of slices from another."""
    return hashlib.sha256(np.ascontiguousarray(stack)).hexdigest() + str(stack.shape)
