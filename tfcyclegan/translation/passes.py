"""A volume through the network, a few slices at a time: the synthetic slice, and its risk."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from tfcyclegan.data import batches, intensity, slices
from tfcyclegan.data.head import head
from tfcyclegan.translation.model import Model

RISK_PERCENTILE = 99.0
"""Of the voxels of a head, so that a risk is about a spot and not about a slice."""


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """One slice; images are float32 [n, n], unit range, n the size of the model.

    Attributes:
        source: What went in.
        synthetic: What came out.
        risk_map: Larger of cycle residual and disagreement under a flip; None without audit.
        risk: Its `risk_of`, 0 without audit.
    """

    source: np.ndarray
    synthetic: np.ndarray
    risk_map: np.ndarray | None = None
    risk: float = 0.0


def run(images: Iterable[np.ndarray], model: Model, *, audit: bool) -> Iterator[Made]:
    """Yields each slice translated.

    Args:
        images: uint16 [SIZE, SIZE], stored range, windowed as in records.
        model: Translates.
        audit: Whether the risk is measured, which takes the network twice more.
    """
    images = iter(images)
    while chunk := list(itertools.islice(images, batches.BATCH)):
        stored = slices.resample(np.stack(chunk), model.size)
        sources = intensity.stored_to_unit(stored.astype(np.float32))[..., np.newaxis]
        translations = batches.in_batches(model.forward, sources)
        maps = risk_maps(sources, translations, model)[..., 0] if audit else [None] * len(chunk)
        for source, synthetic, risk_map in zip(
            sources[..., 0], translations[..., 0], maps, strict=True
        ):
            risk = 0.0 if risk_map is None else risk_of(risk_map, source)
            yield Made(source, synthetic, risk_map, risk)


def risk_maps(sources: np.ndarray, made: np.ndarray, model: Model) -> np.ndarray:
    """Returns where a translation cannot be trusted, float32 [N, H, W, 1] in unit range.

    The larger of the cycle residual abs(back(forward(x)) - x), which shows what was lost on the
    way, and abs(forward(x) - flip(forward(flip(x)))), which shows what the network cannot decide:
    a head that is mirrored is as plausible as it was. A model without a way back has the second
    alone.

    Args:
        sources: float32 [N, H, W, 1], unit range.
        made: Their translations.
        model: That made them.
    """
    flipped = np.ascontiguousarray(sources[:, :, ::-1])
    undecided = np.abs(batches.in_batches(model.forward, flipped)[:, :, ::-1] - made)
    if model.back is None:
        return undecided
    residual = np.abs(batches.in_batches(model.back, made) - sources)
    return np.maximum(residual, undecided)


def risk_of(risk_map: np.ndarray, source: np.ndarray) -> float:
    """Returns the 99th percentile of a map [H, W] inside the head, or of all where there is none.

    An export with --audit computes the same (`models.serving.audit`).
    """
    inside = head(source[np.newaxis, ..., np.newaxis], intensity.FOREGROUND)[0]
    return float(np.percentile(risk_map[inside | ~inside.any()], RISK_PERCENTILE))


class Flicker:
    """How much neighbouring slices differ, in the synthetic volume and in its source.

    A network that sees single slices may shift their brightness at random; then the synthetic
    volume flickers more than its source does. Between different contrasts the ratio is not 1 even
    where nothing flickers, so compare models, or volumes of one model.
    """

    def __init__(self):
        self._before: Made | None = None
        self._sums, self._count = np.zeros(2), 0

    def add(self, made: Made) -> None:
        """Takes the next slice along the normal."""
        if self._before is not None:
            self._sums += (
                np.abs(made.synthetic - self._before.synthetic).mean(dtype=np.float64),
                np.abs(made.source - self._before.source).mean(dtype=np.float64),
            )
            self._count += 1
        self._before = made

    @property
    def synthetic(self) -> float:
        """Mean absolute difference of neighbours in the synthetic volume, unit range."""
        return float(self._sums[0] / max(self._count, 1))

    @property
    def source(self) -> float:
        """The same in the source."""
        return float(self._sums[1] / max(self._count, 1))


class Review:
    """What is remembered of a volume's slices: flicker, risks, and which are above a limit.

    Args:
        max_risk: The limit.
    """

    def __init__(self, max_risk: float):
        self._max_risk = max_risk
        self.flicker, self.risks, self.marked = Flicker(), [], []

    def add(self, made: Made) -> bool:
        """Takes the next slice along the normal; returns whether it is above the limit."""
        self.flicker.add(made)
        self.risks.append(made.risk)
        if made.risk <= self._max_risk:
            return False
        self.marked.append(len(self.risks) - 1)
        return True
