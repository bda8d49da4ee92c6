"""What is evaluated: all slices of a split in one direction, and the pairs among them."""

import contextlib
import dataclasses

import numpy as np
from scipy import ndimage

from tfcyclegan.data import head
from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation import directions
from tfcyclegan.evaluation.brain import RULE as ESTIMATED_RULE
from tfcyclegan.evaluation.brain import brain_of
from tfcyclegan.metrics import ReferenceNormaliser

RECORDS_RULE = "mask/brain of the records, holes filled"
FOREGROUND_RULE = (
    "foreground: brighter than the slice's mean, holes filled; the whole head, not the brain"
)


@dataclasses.dataclass(frozen=True)
class Paired:
    """The pairs of one direction, with masks and a common intensity scale.

    Attributes:
        direction: Sources and targets, float32 [P, H, W, 1], unit range, and their ids.
        brain: bool [P, H, W].
        brain_rule: Where the brain masks come from.
        lesion: bool [P, H, W].
        lesion_known: bool [P]; False where no lesion mask was given. An empty mask is a given one.
        scales: Target volume to the affine map that its real brain gives.
        ventricle: bool [P, H, W], False where no mask was given; None where no pair has one.
        ventricle_known: bool [P]; False where no ventricle mask was given.
    """

    direction: directions.Direction
    brain: np.ndarray
    brain_rule: str
    lesion: np.ndarray
    lesion_known: np.ndarray
    scales: dict[bytes, ReferenceNormaliser]
    ventricle: np.ndarray | None = None
    ventricle_known: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.brain)

    def normalised(self, images: np.ndarray) -> np.ndarray:
        """Returns slices [P, H, W, 1] in unit range on the targets' scale, float64 [P, H, W]."""
        mapped = np.empty(self.brain.shape)
        for volume, scale in self.scales.items():
            rows = self.direction.volumes == volume
            mapped[rows] = scale(images[rows][..., 0])
        return mapped


@dataclasses.dataclass(frozen=True)
class Case:
    """One direction of an evaluation.

    Attributes:
        name: "a_to_b" or "b_to_a".
        source: All slices of the split in the source domain.
        target: All slices in the target domain.
        paired: Its pairs; None where there are none.
        rows: int64 [P], the row of each pair's source slice in `source`.
        reason: Why paired metrics are null; empty where they are not.
        left_out: Pairs without a brain to take the intensity scale from.
    """

    name: str
    source: Slices
    target: Slices
    paired: Paired | None
    rows: np.ndarray
    reason: str
    left_out: int = 0


NO_PAIRS = (
    "no two slices of this split share study, frame of reference, grid and position, so that"
    " nothing registers a source with a target"
)
NO_SOURCE = "the model has no source image"
NO_WINDOW = "the brain mask of every paired target volume is empty or constant"


def cases_of(
    slices_a: Slices, slices_b: Slices, pairs: Pairs, sequences: tuple[str, str]
) -> tuple[Case, Case]:
    """Returns both directions. Only what `pairing.pair` accepts as pairs has paired metrics.

    Args:
        slices_a: All slices of domain a.
        slices_b: All slices of domain b.
        pairs: The pairs among them.
        sequences: What the domains are, of `records.SEQUENCES`.
    """
    forward, backward = directions.directions_of(pairs)
    rows_a, rows_b = pairs.rows.T
    brain = _estimated(pairs, forward, sequences)
    return (
        _case(forward, slices_a, slices_b, pairs.b, pairs.a, rows_a, brain),
        _case(backward, slices_b, slices_a, pairs.a, pairs.b, rows_b, brain),
    )


def of_samples(case: Case) -> Case:
    """Returns the case of a model that makes images of random numbers: nothing is paired."""
    return dataclasses.replace(case, paired=None, rows=case.rows[:0], reason=NO_SOURCE, left_out=0)


def _case(
    direction, source: Slices, target: Slices, real: Slices, other: Slices, rows, estimated
) -> Case:
    if not len(real):
        return Case(direction.name, source, target, None, rows, NO_PAIRS)
    brain, rule = _brain(direction, real, other, estimated)
    lesion, lesion_known = _mask_of("lesion", real, other)
    ventricle, ventricle_known = _mask_of("ventricle", real, other)
    scales = _scales(direction, brain)
    kept = np.array([volume in scales for volume in direction.volumes])
    if not kept.any():
        return Case(direction.name, source, target, None, rows[:0], NO_WINDOW)
    paired = Paired(
        _rows_of(direction, kept),
        brain[kept],
        rule,
        lesion[kept],
        lesion_known[kept],
        scales,
        ventricle[kept] if ventricle_known[kept].any() else None,
        ventricle_known[kept],
    )
    return Case(direction.name, source, target, paired, rows[kept], "", int((~kept).sum()))


def _scales(direction: directions.Direction, brain: np.ndarray) -> dict[bytes, ReferenceNormaliser]:
    """Returns the map of each target volume; those with an empty or constant brain have none."""
    scales = {}
    for volume in dict.fromkeys(direction.volumes):
        rows = direction.volumes == volume
        with contextlib.suppress(ValueError):
            scales[volume] = ReferenceNormaliser.of(direction.target[rows][..., 0], brain[rows])
    return scales


def _rows_of(direction: directions.Direction, kept: np.ndarray) -> directions.Direction:
    arrays = {
        field.name: getattr(direction, field.name)[kept]
        for field in dataclasses.fields(direction)
        if field.name != "name"
    }
    return dataclasses.replace(direction, **arrays)


def _estimated(
    pairs: Pairs, forward: directions.Direction, sequences: tuple[str, str]
) -> np.ndarray | None:
    """Returns each pair's brain, bool [P, H, W]; None where records have it or none is found."""
    has_masks = _has_brains(pairs.a) or _has_brains(pairs.b)
    if has_masks or not len(pairs) or set(sequences) != {"t2", "flair"}:
        return None
    slices = (forward.source[..., 0], forward.target[..., 0])
    images = dict(zip(sequences, slices, strict=True))
    brain = brain_of(**images, volumes=forward.volumes, indices=forward.indices)
    return brain if brain.any() else None


def _brain(
    direction: directions.Direction, real: Slices, other: Slices, estimated: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Returns masks of one kind for all pairs: two kinds in one mean would be no metric."""
    for slices in (real, other):
        if _has_brains(slices):
            # Some masks hold tissue only; a brain without its ventricles has no fluid to judge.
            filled = [ndimage.binary_fill_holes(mask) for mask in slices.masks["brain"]]
            return np.stack(filled), RECORDS_RULE
    if estimated is not None:
        return estimated, ESTIMATED_RULE
    return head.head(direction.target), FOREGROUND_RULE


def _has_brains(slices: Slices) -> bool:
    return "brain" in slices.masks and bool(slices.metadata["mask/brain"].all())


def _mask_of(name: str, real: Slices, other: Slices) -> tuple[np.ndarray, np.ndarray]:
    """Returns (masks, which are known): the target's, or the source's where only that has one."""
    if name not in real.masks:
        return np.zeros(real.images.shape, bool), np.zeros(len(real), bool)
    has_mask = real.metadata[f"mask/{name}"]
    mask = np.where(has_mask[:, None, None], real.masks[name], other.masks[name])
    return mask, has_mask | other.metadata[f"mask/{name}"]
