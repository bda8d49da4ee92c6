"""Second station: which volumes become records, on which grid, in which split and shard."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence

from tfcyclegan.data import manifest
from tfcyclegan.data.records import SEQUENCES
from tfcyclegan.imaging import geometry, sequences, volumes
from tfcyclegan.imaging.dicom import headers
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.geometry import Grid
from tfcyclegan.imaging.reformat import Lattice
from tfcyclegan.imaging.sequences import Decision
from tfcyclegan.imaging.volumes import Volume
from tfcyclegan.ingest import grids
from tfcyclegan.ingest.mapping import SKIP
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.privacy.pseudonyms import Pseudonyms, split_of

FEWEST_SLICES = volumes.FEWEST_SLICES
MOST_STUDIES = 50
"""A PatientID with more studies than this stands for a collection, not for a person."""
RECORD_BYTES = 131_900
"""A serialized slice with its framing, for estimating the number of shards."""


@dataclasses.dataclass(frozen=True)
class Series:
    """One volume and what was decided about it.

    Attributes:
        volume: Its slices.
        plane: Acquired plane, of records.PLANES.
        sequence: Its class.
        confidence: Of the class.
        reason: Why it is not converted, or empty.
        gap: Whether slices are missing or unevenly spaced.
        class_source: "rule" or "mapping".
        proposed: What the rules say; `sequence` differs where the operator does.
        target: Its voxels as slices of the wanted plane, where it is to be reformatted.
    """

    volume: Volume
    plane: str
    sequence: str
    confidence: float
    reason: str
    gap: bool
    class_source: str = "rule"
    proposed: str = ""
    target: Lattice | None = None

    @property
    def slices(self) -> int:
        """Slices that records may be made of."""
        return len(self.volume.frames) if self.target is None else self.target.slices


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
        target: Voxels of its slices in the wanted plane; None if it was acquired in it.
    """

    series: Series
    grid: Grid
    grid_id: str
    base_depth: float
    split: str
    shard: str
    target: Lattice | None = None

    @property
    def plane(self) -> str:
        """Plane of its records, of records.PLANES."""
        acquired = self.series.volume.first.orientation
        orientation = acquired if self.target is None else self.target.orientation
        return geometry.canonical_axes(orientation).plane


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
    classes = dict(settings.mapping)
    series = [_judge(v, classes.get(v.key, ""), settings) for v in grouping.volumes]
    accepted = [item for item in series if not item.reason]
    splits = {
        patient: split_of(pseudonyms.share(patient), settings.splits)
        for patient in {item.volume.first.patient for item in accepted}
    }
    shards = _shards(accepted, splits, settings)
    tasks = []
    for members in _studies(accepted):
        tasks += _place(members, pseudonyms, splits, shards, settings.fixed_spacing)
    # By pseudonyms alone, so that equal inputs give equal shards.
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
    shared = {
        patient
        for patient, patient_studies in studies.items()
        if len(patient_studies) > MOST_STUDIES
    }
    if settings.missing_patient == "quarantine":
        refused = [(frame, "patient_id_missing") for frame in frames if frame.patient in shared]
        return [frame for frame in frames if frame.patient not in shared], refused
    return [
        dataclasses.replace(frame, patient=headers.patient_of_study(frame.study, pseudonyms))
        if frame.patient in shared
        else frame
        for frame in frames
    ], []


def _judge(volume: Volume, user_class: str, settings: Settings) -> Series:
    plane = geometry.canonical_axes(volume.first.orientation).plane
    rule = sequences.classify(volume.physics)
    mapped = user_class in SEQUENCES
    decision = Decision(user_class, 1.0) if mapped else rule
    _, gap = volumes.spacing(volume.frames)
    excluded = sequences.exclusion(volume.physics, settings.reading)
    reformatted = settings.reformat_3d and "oblique" not in (plane, settings.plane)
    reformatted = reformatted and plane != settings.plane
    target = grids.target_of(volume, settings.plane) if reformatted else None
    tests = (
        (excluded, True),
        ("mono1", volume.first.layout.inverted and settings.monochrome1 == "refuse"),
        ("user_skip", user_class == SKIP),
        (decision.reason, True),
        ("too_few_slices", len(volume.frames) < FEWEST_SLICES),
        ("other_sequence", decision.sequence not in settings.keep_sequences),
        ("post_contrast", settings.exclude_post_contrast and volume.physics.contrast == "yes"),
        ("other_plane", plane != settings.plane and target is None),
        ("gap", settings.require_complete and gap),
    )
    # A series may fail several tests; the first one is its reason.
    reason = next((reason for reason, applies in tests if reason and applies), "")
    source = "mapping" if mapped or volume.physics.stated else "rule"
    facts = (decision.sequence, decision.confidence, reason, gap, source, rule.sequence)
    return Series(volume, plane, *facts, target)


def _shards(
    accepted: list[Series], splits: dict[str, str], settings: Settings
) -> dict[tuple[str, str], list[str]]:
    """Returns the file names of each (split, sequence); their number follows from the slices."""
    slices: collections.Counter = collections.Counter()
    members: collections.Counter = collections.Counter()
    for item in accepted:
        home = splits[item.volume.first.patient], item.sequence
        slices[home] += item.slices
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


def _place(
    members: Sequence[Series],
    pseudonyms: Pseudonyms,
    splits: dict[str, str],
    shards: dict[tuple[str, str], list[str]],
    fixed_spacing: float,
) -> list[Task]:
    """Gives the series of a study their grids and their common zero of depth."""
    members = sorted(members, key=lambda item: item.volume.key)
    parts = [(item.volume, item.target) for item in members]
    sites = grids.sites(parts, pseudonyms, fixed_spacing=fixed_spacing or None)
    tasks = []
    for item, site in zip(members, sites, strict=True):
        split = splits[item.volume.first.patient]
        names = shards[split, item.sequence]
        # By the key alone, so that the order of the inputs does not matter.
        shard = names[int(item.volume.key, 16) % len(names)]
        tasks.append(
            Task(item, site.grid, site.grid_id, site.base_depth, split, shard, site.target)
        )
    return tasks
