"""What happened to lesions: kept, lost or invented, by contrast and by a fixed thresholder.

A model that matches distributions adds or removes lesions where their prevalence differs between
the domains it was trained on (Cohen et al. 2018, arXiv:1805.08841), and no whole-frame score sees
it.
"""

from collections.abc import Hashable

import numpy as np

from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation.cases import Paired
from tfcyclegan.evaluation.figures.contrast import log_ratio, region_contrast
from tfcyclegan.evaluation.figures.entries import slice_means
from tfcyclegan.metrics import lesion_spots

NO_MASKS = "no lesion masks in the records"
NO_LESIONS = "no lesion in the evaluated slices"
NAMES = (
    "lesion_contrast",
    "lesion_contrast_log_ratio",
    "lesion_detection",
    "lesion_false_positives_lesion_slices",
    "lesion_false_positives_free_slices",
    "lesion_dice",
    "lesion_spot_prevalence",
)


def patient_values(paired: Paired, images: np.ndarray) -> dict[str, dict[Hashable, float]]:
    """Returns the figures `NAMES` of one method; patients for whom one is undefined are absent.

    lesion_contrast: mean of the lesion over mean of the rest of the brain.
    lesion_contrast_log_ratio: ln(synthetic / real) of it, 0 where the contrast is kept.
    lesion_detection: share of lesions, connected in a slice, that a spot of the thresholder hits.
    lesion_false_positives_*: spots per slice that hit no lesion, in slices with and without one.
    lesion_dice: of all spots with the mask, pooled over a patient.
    lesion_spot_prevalence: share of slices with a spot, as a synthetic slice has no lesion mask.

    Args:
        paired: Real slices and masks.
        images: Synthetic slices, float32 [P, H, W, 1], unit range.
    """
    if not paired.lesion_known.any():
        return {name: {} for name in NAMES}
    rows = np.flatnonzero(paired.lesion_known)
    patients = paired.direction.patients[rows]
    lesion, brain = paired.lesion[rows], (paired.brain | paired.lesion)[rows]
    contrast = region_contrast(images[rows][..., 0], lesion, brain & ~lesion, patients)
    truth = region_contrast(
        paired.direction.target[rows][..., 0], lesion, brain & ~lesion, patients
    )
    marked = lesion_spots.spots_of(images[rows][..., 0], brain, _thresholds(paired)[rows])
    counts = [lesion_spots.count(mask, spot) for mask, spot in zip(lesion, marked, strict=True)]
    n_found, n_lesions, n_false = np.array(counts, float).T
    has_lesion = lesion.any(axis=(1, 2))
    return {
        "lesion_contrast": contrast,
        "lesion_contrast_log_ratio": log_ratio(contrast, truth),
        "lesion_detection": _ratio(n_found, n_lesions, patients),
        "lesion_false_positives_lesion_slices": slice_means(
            np.where(has_lesion, n_false, np.nan), patients
        ),
        "lesion_false_positives_free_slices": slice_means(
            np.where(has_lesion, np.nan, n_false), patients
        ),
        "lesion_dice": _ratio(
            2.0 * (lesion & marked).sum(axis=(1, 2)),
            lesion.sum(axis=(1, 2)) + marked.sum(axis=(1, 2)),
            patients,
        ),
        "lesion_spot_prevalence": slice_means(marked.any(axis=(1, 2)).astype(float), patients),
    }


def _thresholds(paired: Paired) -> np.ndarray:
    """Returns the threshold of each slice [P], one per real volume."""
    direction = paired.direction
    thresholds = np.empty(len(paired))
    for volume in set(direction.volumes):
        rows = np.flatnonzero(direction.volumes == volume)
        voxels = direction.target[rows][..., 0][paired.brain[rows]].astype(np.float64)
        thresholds[rows] = lesion_spots.threshold_of(voxels)
    return thresholds


def _ratio(
    numerator: np.ndarray, denominator: np.ndarray, patients: np.ndarray
) -> dict[Hashable, float]:
    """Returns the ratio of the sums over each patient's slices, where the lower one is not 0."""
    ratios = {}
    for patient in dict.fromkeys(patients):
        rows = patients == patient
        if denominator[rows].sum() > 0:
            ratios[patient] = float(numerator[rows].sum() / denominator[rows].sum())
    return ratios


def prevalence(slices: Slices) -> dict:
    """Returns the share of slices with a lesion among those with a lesion mask."""
    if "lesion" not in slices.masks or not slices.metadata["mask/lesion"].any():
        return {"value": None, "reason": NO_MASKS, "n_slices": 0}
    lesion = slices.masks["lesion"][slices.metadata["mask/lesion"]]
    return {"value": float(lesion.any(axis=(1, 2)).mean()), "n_slices": len(lesion)}
