"""From frames to volumes: group by series, split what was acquired apart, sort, resolve repeats."""

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator

from tfcyclegan.imaging import geometry
from tfcyclegan.imaging.frames import Frame, Physics

FEWEST_SLICES = 5  # fewer are no volume
SAME_POSITION = 0.01
"""Slices closer than this are at one position, mm."""
GAP = 0.1
"""Largest deviation of a slice distance from the median that is no gap, as a share of it."""
_SPACING_TOLERANCE = 1e-3
_ECHO_TOLERANCE = 0.02
"""Relative tolerance of echo and inversion times within one volume."""


@dataclasses.dataclass(frozen=True)
class Volume:
    """Slices that were acquired together, in ascending order along the canonical normal.

    Attributes:
        key: Pseudonym of the series, or one derived from it where a series holds several volumes.
        frames: Slices by position. Two at one position are rivals: the same SOP instance with
            different pixels, of which at most one decodes.
    """

    key: str
    frames: tuple[Frame, ...]

    @property
    def first(self) -> Frame:
        """The lowest slice; what holds for a volume can be read from it."""
        return self.frames[0]

    @property
    def physics(self) -> Physics:
        """Of the lowest slice."""
        return self.frames[0].physics


@dataclasses.dataclass
class Grouping:
    """Volumes, and the frames that found no place in one.

    Attributes:
        volumes: Ordered by key.
        refused: (frame, code of privacy.reasons).
    """

    volumes: list[Volume]
    refused: list[tuple[Frame, str]]


def depth(frame: Frame) -> float:
    """Returns dot(ImagePositionPatient, canonical normal), mm.

    The canonical normal is +-cross(row, column); its sign is the plane's, so that slices count from
    the feet, the front or the left whatever the series' own direction was.
    """
    normal = geometry.canonical_axes(frame.orientation).normal
    return float(sum(p * n for p, n in zip(frame.position, normal, strict=True)))


def spacing(frames: Iterable[Frame]) -> tuple[float, bool]:
    """Returns the median distance of neighbouring positions, mm, and whether it varies (a gap)."""
    return geometry.gaps([depth(shelf[0]) for shelf in _shelves(frames)], tolerance=GAP)


def group(frames: Iterable[Frame], derive: Callable[[str, int], str]) -> Grouping:
    """Groups frames into volumes; the result does not depend on the order of the frames.

    Args:
        frames: Of all files.
        derive: Makes the key of a series' n-th volume from its pseudonym.
    """
    result = Grouping([], [])
    series: dict[tuple, list[Frame]] = collections.defaultdict(list)
    for frame in _without_collisions(frames, result.refused):
        series[frame.patient, frame.study, frame.series].append(frame)
    for (_, _, key), members in sorted(series.items()):
        stacks = []
        for part in _split(_without_copies(members, result.refused)):
            stacks += _resolve_positions(part, result.refused)
        stacks.sort(key=lambda stack: _order(stack[0]))
        for number, stack in enumerate(stacks):
            name = key if len(stacks) == 1 else derive(key, number)
            result.volumes.append(Volume(name, tuple(stack)))
    return result


def _order(frame: Frame) -> tuple:
    """A total order that depends on the acquisition and on content, never on file names."""
    te = frame.physics.te_ms
    return (
        -1.0 if math.isnan(te) else te,
        frame.temporal,
        frame.acquisition,
        frame.orientation,
        depth(frame),
        frame.instance_number,
        frame.instance,
        frame.content,
        frame.frame_index,
    )


def _without_collisions(frames: Iterable[Frame], refused: list) -> list[Frame]:
    """Refuses frames whose series is that of another patient, study or class: one is wrong."""
    owners: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    frames = sorted(frames, key=lambda f: (f.series, f.instance, f.content, f.frame_index))
    for frame in frames:
        owners[frame.series][_owner(frame)] += 1
    strays = [f for f in frames if _owner(f) != _rightful(owners[f.series])]
    refused += [(frame, "uid_collision") for frame in strays]
    lost = {id(frame) for frame in strays}
    return [frame for frame in frames if id(frame) not in lost]


def _owner(frame: Frame) -> tuple:
    return frame.patient, frame.study, frame.physics.stated


def _rightful(counts: collections.Counter) -> tuple | None:
    """Returns the owner of a series, or None if in doubt.

    Owners with too few slices for a volume count only where no owner has enough.
    """
    owners = [owner for owner, n in counts.items() if n >= FEWEST_SLICES] or [*counts]
    return owners[0] if len(owners) == 1 else None


def _without_copies(frames: list[Frame], refused: list) -> list[Frame]:
    """Drops frames of an instance that was read before with the same pixels."""
    places: dict[tuple, int] = {}
    kept = []
    for frame in sorted(frames, key=lambda f: (_order(f), f.object_index)):
        home = places.setdefault((frame.instance, frame.content, frame.frame_index), len(kept))
        if home == len(kept):
            kept.append(frame)
        else:
            refused.append((frame, "duplicate_exact"))
    return kept


def _split(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Splits a series where images cannot belong to one volume (spec/ingestion.md, B2)."""
    parts: list[list[Frame]] = []
    for frame in sorted(frames, key=_order):
        home = next((part for part in parts if _belongs(frame, part[0])), None)
        if home is None:
            parts.append([frame])
        else:
            home.append(frame)
    yield from parts


def _belongs(frame: Frame, other: Frame) -> bool:
    a, b = frame.physics, other.physics
    return (
        frame.layout.rows == other.layout.rows
        and frame.layout.columns == other.layout.columns
        and frame.layout.inverted == other.layout.inverted
        and frame.frame_of_ref == other.frame_of_ref
        and _near(frame.orientation, other.orientation, geometry.SAME_AXES)
        and _near(frame.spacing, other.spacing, _SPACING_TOLERANCE)
        and _same(a.te_ms, b.te_ms)
        and math.isnan(a.tr_ms) == math.isnan(b.tr_ms)
        and _same(a.ti_ms, b.ti_ms)
        and _same(a.b_value, b.b_value)
        and a.kinds == b.kinds
        and a.scanning == b.scanning
        and a.contrast == b.contrast
    )


def _near(a: tuple, b: tuple, tolerance: float) -> bool:
    return all(abs(p - q) <= tolerance for p, q in zip(a, b, strict=True))


def _same(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return abs(a - b) <= _ECHO_TOLERANCE * max(abs(a), abs(b))


def _resolve_positions(frames: list[Frame], refused: list) -> list[list[Frame]]:
    """Returns stacks with one slice per position, sorted by it.

    Acquisition and temporal numbers may differ within one stack (interleaved packages) or tell two
    stacks apart (repeats); so they are looked at only where positions repeat.
    """
    shelves = _shelves(frames)
    copies = [len(_distinct(shelf)) for shelf in shelves]
    if max(copies) == 1:
        return [[frame for shelf in shelves for frame in shelf]]
    for attribute in ("temporal", "acquisition"):
        parts = collections.defaultdict(list)
        for frame in frames:
            parts[getattr(frame, attribute)].append(frame)
        if all(_fills(part, shelves) for part in parts.values()):
            return [sorted(part, key=depth) for _, part in sorted(parts.items())]
    if min(copies) == max(copies):
        return _layers(shelves)
    return [_without_extras(shelves, refused)]


def _shelves(frames: Iterable[Frame]) -> list[list[Frame]]:
    """Groups frames by position, lowest first."""
    shelves: list[list[Frame]] = []
    for frame in sorted(frames, key=lambda f: (depth(f), _order(f))):
        if not shelves or depth(frame) - depth(shelves[-1][0]) >= SAME_POSITION:
            shelves.append([])
        shelves[-1].append(frame)
    return shelves


def _distinct(shelf: list[Frame]) -> dict[tuple, list[Frame]]:
    """Groups a shelf by instance; frames of one instance are rivals, not copies."""
    instances: dict[tuple, list[Frame]] = collections.defaultdict(list)
    for frame in shelf:
        instances[frame.instance, frame.frame_index].append(frame)
    return instances


def _fills(frames: list[Frame], shelves: list[list[Frame]]) -> bool:
    """Tells whether frames are one image of every position."""
    own_shelves = _shelves(frames)
    return len(own_shelves) == len(shelves) and all(
        len(_distinct(shelf)) == 1 for shelf in own_shelves
    )


def _layers(shelves: list[list[Frame]]) -> list[list[Frame]]:
    """Every position was acquired equally often: the n-th images of all positions are one stack."""
    stacks: list[list[Frame]] = []
    for shelf in shelves:
        for number, rivals in enumerate(sorted(_distinct(shelf).values(), key=_acquired)):
            if number == len(stacks):
                stacks.append([])
            stacks[number] += rivals
    return stacks


def _acquired(rivals: list[Frame]) -> tuple:
    frame = rivals[0]
    return (frame.temporal, frame.acquisition, frame.instance_number, frame.instance)


def _without_extras(shelves: list[list[Frame]], refused: list) -> list[Frame]:
    """Keeps, at each position, the image that was acquired like most of its series."""
    habit = collections.Counter((f.temporal, f.acquisition) for shelf in shelves for f in shelf)
    stack = []
    for shelf in shelves:
        ranked = sorted(
            _distinct(shelf).values(),
            key=lambda r: (-habit[r[0].temporal, r[0].acquisition], _acquired(r)),
        )
        stack += ranked[0]
        refused += [(frame, "duplicate_position") for rivals in ranked[1:] for frame in rivals]
    return stack
