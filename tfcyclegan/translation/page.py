"""The page of a translated volume: source, synthetic, real and risk side by side, to look at."""

import pathlib

import numpy as np

from tfcyclegan.data import intensity
from tfcyclegan.data.slices import resample
from tfcyclegan.evaluation import report
from tfcyclegan.evaluation.report.volumes import MAX_PIXELS, spaced
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.real_images import Agreement, Reals
from tfcyclegan.translation.volume_report import Report


class Gallery:
    """Keeps as many slices of a volume as a page can hold, marked ones first.

    Args:
        slices: Of the volume.
        size: Height and width of its images.
        audit: Whether there are risk maps.
        reals: The real image of each slice; None where there are none.
    """

    def __init__(self, slices: int, size: int, *, audit: bool, reals: Reals | None = None):
        layers = {"source": True, "synthetic": True, "real": reals is not None, "risk": audit}
        self._labels = [label for label, applies in layers.items() if applies]
        self._reals, self._size, self._agreement = reals, size, Agreement()
        self._room = max(1, MAX_PIXELS // (len(self._labels) * size**2))
        self._wanted = {int(row) for row in spaced(slices, self._room)}
        self._kept: dict[int, list[np.ndarray]] = {}
        self._marks: dict[int, str] = {}

    def add(self, place: int, made: Made, mark: str) -> None:
        """Takes a slice, and why it is marked, or an empty string."""
        if mark and len(self._marks) < self._room:
            self._marks[place] = mark
        layers = {"source": made.source, "synthetic": made.synthetic, "risk": made.risk_map}
        if self._reals is not None:
            layers["real"] = self._real(place)
            self._agreement.add(made.synthetic, layers["real"])
        if place in self._wanted or place in self._marks:
            self._kept[place] = [layers[label] for label in self._labels]

    def _real(self, place: int) -> np.ndarray:
        stored = resample(self._reals[place][np.newaxis], self._size)[0]
        return intensity.stored_to_unit(stored.astype(np.float32))

    def write(self, path: pathlib.Path, model: Model, told: Report) -> None:
        """Writes the page.

        Args:
            path: Its file.
            model: That translated.
            told: The report of the volume.
        """
        places = sorted(self._kept)
        stacks = zip(*(self._kept[place] for place in places), strict=True)
        volume = report.Volume(
            told.series_key,
            {label: np.stack(s) for label, s in zip(self._labels, stacks, strict=True)},
            model.direction,
            marks={i: self._marks[p] for i, p in enumerate(places) if p in self._marks},
            rows=tuple(places),
        )
        facts = {
            "model": {**model.described, "digest": model.digest[:8]},
            "n_slices": told.slices,
            "flicker": {"source": told.source_flicker, "synthetic": told.flicker},
        }
        if self._reals is not None:
            facts["against_the_real_slices"] = self._agreement.scores()
        if told.risks:
            facts["risk"] = {"highest": max(told.risks), "n_marked": len(told.marked)}
        path.parent.mkdir(exist_ok=True)
        report.write(path, facts, [volume])
