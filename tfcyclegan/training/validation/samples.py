"""Scores of a model without a source: how far its samples are from real slices."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcyclegan import metrics
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.extractors import Extractor, frechet_name
from tfcyclegan.models import translators
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.training.validation.sweep import Rows


class Samples:
    """What `Direction` is for a translator: what goes into the sweep, and what comes out.

    As many samples as real slices, because distances depend on the count. Each sample counts as a
    patient of its own.

    Args:
        slices: Of the run.
        domain: Which of them is sampled.
        extractor: Makes the features of the distances.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, slices: ValidationSlices, domain: str, extractor: Extractor):
        self._slices, self._frechet = slices, frechet_name(extractor)
        self.real = {"a": slices.a, "b": slices.b}[domain]

    def rows(self, model: TranslationModel) -> Rows:
        """Returns what `sample_scorer` takes, a row for each sample."""
        return {"given": model.sampled_from(self._slices, len(self.real))}

    def names(self) -> tuple[str, ...]:
        """Returns the names of the scores."""
        return tuple(self.scores(np.zeros((len(self.real), 0)), None))

    def scores(self, fake: np.ndarray, real: np.ndarray | None) -> dict[str, Callable[[], float]]:
        """Returns the computation of each score by its name.

        Args:
            fake: Features of the samples, [N, d].
            real: Features of the real slices, [N, d].
        """
        patients = list(self.real.metadata["id/patient"])
        made: dict[str, Callable[[], float]] = {}
        if len(patients) > 1:
            made["kid"] = lambda: metrics.kernel_distance(real, fake)
            made[self._frechet] = lambda: float(metrics.frechet_distance(real, fake))
        if len(set(patients)) > 1:
            own = [str(number).encode() for number in range(len(fake))]
            made["kid_patient"] = lambda: metrics.kernel_distance_patient(real, patients, fake, own)
        return made


def sample_scorer(sampler, extractor: Extractor) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """Returns the function from a batch of `given` [N, ...] to features of its samples, [N, d]."""
    return lambda batch: extractor(translators.sampled(sampler, batch["given"]))
