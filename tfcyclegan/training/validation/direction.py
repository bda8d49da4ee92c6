"""From rows to the scores of one direction: sums and algebra of the chief, in float64."""

import math
from collections.abc import Callable

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.data.head import head
from tfcyclegan.data.slices import Slices
from tfcyclegan.metrics.extractors import Extractor, frechet_name
from tfcyclegan.training.validation.rows import columns
from tfcyclegan.training.validation.sweep import Rows


class Direction:
    """One direction of validation: what goes into the sweep, and what comes out as scores.

    Args:
        source: Slices that are translated.
        real: Slices of the domain they are translated to.
        pairs: The first so many rows of `source` and `real` are pairs.
        extractor: Makes the features of the distances.
        cycled: Whether there is a way back to score.
    """

    def __init__(
        self, source: Slices, real: Slices, pairs: int, extractor: Extractor, cycled: bool = True
    ):
        self.source, self.real, self.pairs = source, real, pairs
        self.columns = columns(paired=pairs > 0, cycled=cycled)
        self._frechet = frechet_name(extractor)

    def rows(self) -> Rows:
        """Returns what `rows.scorer` takes, row by row of the source."""
        rows = {"source": self.source.images, "source_head": head(self.source.unit())}
        if self.pairs:
            paired = self.real.take(np.arange(self.pairs))
            alone = len(self.source) - self.pairs
            for name, array in (("target", paired.images), ("target_head", head(paired.unit()))):
                rows[name] = np.concatenate(
                    [array, np.zeros((alone, *array.shape[1:]), array.dtype)]
                )
        return rows

    def names(self) -> tuple[str, ...]:
        """Returns the names of the scores that this direction can have."""
        return tuple(self.scores(np.zeros((len(self.source), len(self.columns))), None))

    def scores(self, rows: np.ndarray, real: np.ndarray | None) -> dict[str, Callable[[], float]]:
        """Returns the computation of each score by its name.

        Args:
            rows: [N, columns + d], what `rows.scorer` made of each slice.
            real: [M, d] features of the real slices.
        """
        values = dict(zip(self.columns, rows.T.astype(np.float64), strict=False))
        fake = rows[:, len(self.columns) :]
        made: dict[str, Callable[[], float]] = {}
        if self.pairs:
            held = {name: values[name][: self.pairs] for name in ("mse", "ssim", "ssim_head")}
            made["psnr_volume"] = lambda: self._psnr_volume(held["mse"])
            made["ssim"] = lambda: self._of_patients(held["ssim"])
            made["ssim_head"] = lambda: self._of_patients(held["ssim_head"])
        elif "cycle_mse" in self.columns:
            for suffix in ("", "_perturbed"):
                errors, likeness = values[f"cycle_mse{suffix}"], values[f"cycle_ssim{suffix}"]
                made[f"cycle_psnr_volume{suffix}"] = lambda e=errors: self._psnr_volume(e)
                made[f"cycle_ssim{suffix}"] = lambda s=likeness: self._of_patients(s)
        patients = [list(slices.metadata["id/patient"]) for slices in (self.real, self.source)]
        if min(map(len, patients)) > 1:
            made["kid"] = lambda: metrics.kernel_distance(real, fake)
            made[self._frechet] = lambda: float(metrics.frechet_distance(real, fake))
        if min(len(set(ids)) for ids in patients) > 1:
            made["kid_patient"] = lambda: metrics.kernel_distance_patient(
                real, patients[0], fake, patients[1]
            )
        made["source_correlation"] = lambda: _mean(values["source_correlation"])
        return made

    def _psnr_volume(self, errors: np.ndarray) -> float:
        """Returns the mean over patients of the mean over their volumes, dB."""
        volumes, patients = (self._ids(key, errors) for key in ("id/series", "id/patient"))
        pixels = np.full(len(errors), self.source.images[0].size)
        by_volume = metrics.pooled_psnr(errors, pixels=pixels, volumes=volumes)
        home = dict(zip(volumes, patients, strict=True))
        means = metrics.patient_means(
            np.array(list(by_volume.values())), [home[volume] for volume in by_volume]
        )
        return float(np.mean(list(means.values())))

    def _of_patients(self, values: np.ndarray) -> float:
        """Returns the mean over patients of the mean over their slices."""
        means = metrics.patient_means(values, self._ids("id/patient", values))
        return float(np.mean(list(means.values()))) if means else math.nan

    def _ids(self, key: str, values: np.ndarray) -> list[bytes]:
        slices = self.real if self.pairs else self.source
        return list(slices.metadata[key][: len(values)])


def _mean(values: np.ndarray) -> float:
    # A constant translation has no correlation, and no say.
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan
