"""The page of a translated volume: source, synthetic and risk side by side, to look at."""

import pathlib

import numpy as np

from tfcyclegan import report
from tfcyclegan.report.volumes import MAX_PIXELS, spaced
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.report import Report


class Gallery:
    """Keeps as many slices of a volume as a page can hold, marked ones first.

    Args:
        slices: Of the volume.
        size: Height and width of its images.
        audit: Whether there are risk maps.
    """

    def __init__(self, slices: int, size: int, *, audit: bool):
        self._labels = ("source", "synthetic", "risk") if audit else ("source", "synthetic")
        self._room = max(1, MAX_PIXELS // (len(self._labels) * size**2))
        self._wanted = {int(row) for row in spaced(slices, self._room)}
        self._kept: dict[int, list[np.ndarray]] = {}
        self._marks: dict[int, str] = {}

    def add(self, place: int, made: Made, mark: str) -> None:
        """Takes a slice, and why it is marked, or an empty string."""
        if mark and len(self._marks) < self._room:
            self._marks[place] = mark
        if place in self._wanted or place in self._marks:
            layers = (made.source, made.synthetic, made.risk_map)
            self._kept[place] = list(layers[: len(self._labels)])

    def write(self, path: pathlib.Path, model: Model, told: Report) -> None:
        """Writes the page.

        Args:
            path: Its file.
            model: That translated.
            told: What is said of the volume.
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
        if told.risks:
            facts["risk"] = {"highest": max(told.risks), "n_marked": len(told.marked)}
        path.parent.mkdir(exist_ok=True)
        report.write(path, facts, [volume])
