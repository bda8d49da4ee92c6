"""Features of one direction: of real slices, of those trained on, and of any method's images."""

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation.figures import distances
from tfcyclegan.metrics.extractors import Extractor, features


class Distribution:
    """What the images of every method are compared with.

    Args:
        extractor: Makes the features.
        target: All real target slices of the split.
        train: Training slices of the same domain, for the floor; None where not at hand.
        with_inception_score: Add it; the extractor is the FID network.

    Attributes:
        real: (features float32 [N, d], patients [N]) of the target slices.
        train: Likewise of the training slices, or None.
        floor: Entry of the distance of real patients to other real patients.
    """

    def __init__(
        self,
        extractor: Extractor,
        target: Slices,
        train: Slices | None,
        *,
        with_inception_score: bool = False,
    ):
        self._extractor, self._with_inception_score = extractor, with_inception_score
        self.real = self.of(target.unit(), patients_of(target))
        self.train = None if train is None else self.of(train.unit(), patients_of(train))
        self.floor = self._floor()

    def of(self, images: np.ndarray, patients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns (features [N, d], patients) of images [N, H, W, 1] in unit range."""
        return features.features(self._extractor, images), patients

    def entries(self, fake: tuple[np.ndarray, np.ndarray]) -> dict[str, dict]:
        """Returns the entries of features and their sources' patients."""
        entries = distances.entries(self._extractor, self.real, fake, self.floor)
        if self._with_inception_score:
            score = distances.inception_score(self._extractor, self.real[0], fake[0])
            entries["inception_score"] = score
        return entries

    def kernel_sums(self, fake: tuple[np.ndarray, np.ndarray]) -> metrics.PatientKernelSums | None:
        """Returns what `kid_patient` follows from; None where a side has one patient."""
        if min(len(set(side[1])) for side in (self.real, fake)) < 2:
            return None
        return metrics.PatientKernelSums.of(
            self.real[0], list(self.real[1]), fake[0], list(fake[1])
        )

    def _floor(self) -> dict:
        n = len(self.real[1])
        sides = [self.real]
        if self.train is not None:
            # Two groups as large as the split are enough, however much there is to train on.
            rows = distances.spread(np.arange(len(self.train[1])), 2 * n)
            sides.append(tuple(array[rows] for array in self.train))
        return distances.floor_of(
            *(np.concatenate(arrays) for arrays in zip(*sides, strict=True)), n
        )


def patients_of(slices: Slices) -> np.ndarray:
    """Returns the patient of each slice."""
    return slices.metadata["id/patient"]
