"""Second station: which volumes become records, on which grid, in which split and shard."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence

from tfcyclegan import manifest
from tfcyclegan.dicom import geometry, headers, sequences, volumes
from tfcyclegan.dicom.frames import Frame
from tfcyclegan.dicom.geometry import Grid, Placement
from tfcyclegan.dicom.volumes import Volume
from tfcyclegan.privacy.pseudonyms import Pseudonyms, split_of

WANTED = ("t2", "flair")
"""Sequences that are converted."""
FEWEST_SLICES = 5
MOST_STUDIES = 50
"""A PatientID with more studies than this stands for a collection, not for a person."""
RECORD_BYTES = 131_900
"""A serialized slice with its framing, for estimating the number of shards."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What of the flags decides the content of the records.

    Attributes:
        name: First part of the shards' names.
        splits: (name, share) in order.
        plane: Acquisition plane that is kept.
        monochrome1: "invert" or "refuse".
        allow_derived: Whether ImageType DERIVED is accepted.
        min_foreground: Smallest share of foreground of a slice.
        shard_bytes: Approximate size of a shard.
        text_guard: Whether volumes that seem to have text drawn into them are refused.
        missing_patient: "quarantine", or "study": each study without a patient is one of its own.
    """

    name: str
    splits: tuple[tuple[str, float], ...]
    plane: str
    monochrome1: str
    allow_derived: bool
    min_foreground: float
    shard_bytes: int
    text_guard: bool
    missing_patient: str


@dataclasses.dataclass(frozen=True)
class Series:
    """One volume and what was decided about it.

    Attributes:
        volume: Its slices.
        plane: Of records.PLANES.
        sequence: Proposed class.
        confidence: Of the class.
        reason: Why it is not converted, or empty.
        gap: Whether slices are missing or unevenly spaced.
    """

    volume: Volume
    plane: str
    sequence: str
    confidence: float
    reason: str
    gap: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One volume to convert, complete, so that a worker needs nothing else.

    Attributes:
        series: The volume.
        grid: In-plane pixels of its records.
        grid_id: Keyed digest of the grid.
        base_depth: Position of the lowest slice of the study's frame of reference and plane, mm.
        split: Split of its patient.
        shard: File that it goes to.
    """

    series: Series
    grid: Grid
    grid_id: str
    base_depth: float
    split: str
    shard: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """The whole conversion, before any pixel is decoded.

    Attributes:
        series: Every volume found, ordered by key.
        tasks: Volumes to convert, in the order in which they are written.
        shards: File name to (split, sequence), including files that stay empty.
        refused: Frames that found no place in a volume, with their reason.
    """

    series: list[Series]
    tasks: list[Task]
    shards: dict[str, tuple[str, str]]
    refused: list[tuple[Frame, str]]


def make(frames: Iterable[Frame], pseudonyms: Pseudonyms, settings: Settings) -> Plan:
    """Plans the conversion; depends on the frames, not on their order."""
    frames, collective = _apart(frames, pseudonyms, settings)
    grouping = volumes.group(frames, lambda key, n: pseudonyms.of("volume", f"{key}|{n}".encode()))
    series = [_judge(volume, settings) for volume in grouping.volumes]
    accepted = [item for item in series if not item.reason]
    splits = {
        patient: split_of(pseudonyms.share(patient), settings.splits)
        for patient in {item.volume.first.patient for item in accepted}
    }
    shards = _shards(accepted, splits, settings)
    tasks = []
    for members in _studies(accepted):
        tasks += _place(members, pseudonyms, splits, shards)
    tasks.sort(key=lambda t: (t.shard, t.series.volume.first.patient, t.series.volume.key))
    names = {name: home for home, names in shards.items() for name in names}
    return Plan(series, tasks, names, collective + grouping.refused)


def _apart(
    frames: Iterable[Frame], pseudonyms: Pseudonyms, settings: Settings
) -> tuple[list[Frame], list[tuple[Frame, str]]]:
    """Refuses, or takes apart by study, the images of an id that too many studies share."""
    frames = list(frames)
    studies = collections.defaultdict(set)
    for frame in frames:
        studies[frame.patient].add(frame.study)
    shared = {patient for patient, found in studies.items() if len(found) > MOST_STUDIES}
    if settings.missing_patient == "quarantine":
        refused = [(frame, "patient_id_missing") for frame in frames if frame.patient in shared]
        return [frame for frame in frames if frame.patient not in shared], refused
    return [
        dataclasses.replace(frame, patient=headers.patient_of_study(frame.study, pseudonyms))
        if frame.patient in shared
        else frame
        for frame in frames
    ], []


def _judge(volume: Volume, settings: Settings) -> Series:
    plane = geometry.canonical_axes(volume.first.orientation).plane
    decision = sequences.classify(volume.physics)
    _, gap = geometry.gaps([volumes.depth(f) for f in volume.frames], tolerance=volumes.GAP)
    reason = sequences.exclusion(volume.physics, allow_derived=settings.allow_derived)
    if not reason and len(volume.frames) < FEWEST_SLICES:
        reason = "too_few_slices"
    if not reason:
        reason = decision.reason
    if not reason and decision.sequence not in WANTED:
        reason = "other_sequence"
    if not reason and plane != settings.plane:
        reason = "other_plane"
    if not reason and volume.first.layout.inverted and settings.monochrome1 == "refuse":
        reason = "mono1"
    return Series(volume, plane, decision.sequence, decision.confidence, reason, gap)


def _shards(
    accepted: list[Series], splits: dict[str, str], settings: Settings
) -> dict[tuple[str, str], list[str]]:
    """Returns the file names of each (split, sequence); their number follows from the slices."""
    slices: collections.Counter = collections.Counter()
    members: collections.Counter = collections.Counter()
    for item in accepted:
        home = splits[item.volume.first.patient], item.sequence
        slices[home] += len(item.volume.frames)
        members[home] += 1
    names = {}
    for home in sorted(slices):
        # Volumes are kept whole, so more files than volumes would stay empty.
        count = min(members[home], math.ceil(slices[home] * RECORD_BYTES / settings.shard_bytes))
        names[home] = [
            manifest.shard_name(settings.name, *home, index, count) for index in range(count)
        ]
    return names


def _studies(accepted: list[Series]) -> list[list[Series]]:
    """Groups series that share coordinates: study and frame of reference."""
    studies = collections.defaultdict(list)
    for item in accepted:
        first = item.volume.first
        studies[first.patient, first.study, first.frame_of_ref].append(item)
    return [members for _, members in sorted(studies.items())]


def placement_of(frame: Frame) -> Placement:
    """Returns where a frame's canonical display lies in the patient."""
    layout = frame.layout
    return geometry.place(
        frame.position, frame.orientation, frame.spacing, layout.rows, layout.columns
    )


def _place(
    members: Sequence[Series],
    pseudonyms: Pseudonyms,
    splits: dict[str, str],
    shards: dict[tuple[str, str], list[str]],
) -> list[Task]:
    """Gives the series of a study their grids and their common zero of depth."""
    members = sorted(members, key=lambda item: item.volume.key)
    grids = geometry.study_grids([placement_of(item.volume.first) for item in members])
    base: dict[int, float] = {}
    for item, grid in zip(members, grids, strict=True):
        lowest = min(grid.depth(placement_of(frame)) for frame in item.volume.frames)
        base[id(grid)] = min(lowest, base.get(id(grid), math.inf))
    tasks = []
    for item, grid in zip(members, grids, strict=True):
        first = item.volume.first
        split = splits[first.patient]
        names = shards[split, item.sequence]
        shard = names[int(item.volume.key, 16) % len(names)]
        grid_id = _grid_id(first, grid, pseudonyms)
        tasks.append(Task(item, grid, grid_id, base[id(grid)], split, shard))
    return tasks


def _grid_id(first: Frame, grid: Grid, pseudonyms: Pseudonyms) -> str:
    numbers = [*grid.x, *grid.y, grid.u, grid.v, grid.spacing]
    text = ",".join(f"{number:.6f}" for number in numbers)
    return pseudonyms.of("grid", f"{first.study}|{first.frame_of_ref}|{text}".encode())
