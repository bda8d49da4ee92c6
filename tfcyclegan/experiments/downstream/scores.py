"""How well lesions were found, per patient, and what a difference between two rows is worth."""

from collections.abc import Hashable

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.metrics import lesion_spots

SCORES = ("dice", "sensitivity", "false_positives")
SEED = 0
"""Of the resampling of patients."""


def of_patients(
    truth: np.ndarray, found: np.ndarray, patients: np.ndarray
) -> dict[str, dict[Hashable, float]]:
    """Returns `SCORES` by patient; patients without a lesion have false positives only.

    dice: 2 |truth and found| / (|truth| + |found|), pixels of all slices of a patient.
    sensitivity: share of lesions that are touched; a lesion is a connected part of a slice's mask.
    false_positives: connected parts of what was found that touch no lesion, per slice.

    Args:
        truth, found: bool [N, H, W].
        patients: Pseudonyms [N].
    """
    scores: dict[str, dict] = {name: {} for name in SCORES}
    for patient in dict.fromkeys(patients):
        real, segmented = truth[patients == patient], found[patients == patient]
        counts = [
            lesion_spots.count(mask, marked) for mask, marked in zip(real, segmented, strict=True)
        ]
        touched, total, false = np.sum(counts, axis=0)
        scores["false_positives"][patient] = float(false / len(real))
        if total:
            overlap = np.count_nonzero(real & segmented)
            pixels = np.count_nonzero(real) + np.count_nonzero(segmented)
            scores["dice"][patient] = 2.0 * overlap / pixels
            scores["sensitivity"][patient] = float(touched / total)
    return scores


def mean_of(runs: list[dict[Hashable, float]]) -> dict[Hashable, float]:
    """Returns each patient's mean over the seeds of a row."""
    return {patient: float(np.mean([run[patient] for run in runs])) for patient in runs[0]}


def interval(values: dict[Hashable, float]) -> dict:
    """Returns the mean over patients with its 95 % interval, by resampling patients."""
    bootstrap = metrics.patient_bootstrap(list(values.values()), seed=SEED)
    return {
        "value": bootstrap.estimate,
        "ci": [bootstrap.low, bootstrap.high],
        "n_patients": bootstrap.n_patients,
    }


def difference(row: dict[Hashable, float], reference: dict[Hashable, float]) -> dict:
    """Returns `interval` of the differences of the same patients."""
    return interval({patient: row[patient] - reference[patient] for patient in reference})
