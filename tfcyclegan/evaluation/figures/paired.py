"""Scores of a synthetic slice against the real one of the same place, on the real one's scale."""

from collections.abc import Hashable

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.evaluation import directions
from tfcyclegan.evaluation.cases import Paired
from tfcyclegan.evaluation.figures.entries import slice_means
from tfcyclegan.metrics.image_pairs import masked_mean
from tfcyclegan.metrics.ssim import valid_region

RANGE = 1.0
"""Data range after normalisation."""
NAMES = ("psnr_volume", "psnr_volume_unit", "psnr_volume_brain", "psnr_slice_mean") + tuple(
    f"{metric}{region}" for metric in ("ssim", "mae") for region in ("", "_brain")
)
"""Figures that are null where there are no pairs."""


def slice_scores(paired: Paired, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the scores of each slice.

    Whole-frame names are bare. `_brain` sets the background of both images to 0 by the reference
    mask and counts the mask's pixels; `_brain_interior` counts those that no background reaches;
    `_lesion` and `_healthy` count the lesion mask and the rest of the brain on the same images.
    SSIM is the mean of the map inside the mask.

    Args:
        paired: Real slices, masks and scale.
        images: What is scored, float32 [P, H, W, 1], unit range.

    Returns:
        Name to float64 [P]; NaN where a mask has no pixel or is not known, +inf for the PSNR of
        identical images.
    """
    real, fake = paired.normalised(paired.direction.target), paired.normalised(images)
    scores = {
        "psnr": metrics.psnr(real, fake, data_range=RANGE),
        "ssim": metrics.ssim(real, fake, data_range=RANGE),
        "mae": metrics.mae(real, fake, data_range=RANGE),
        "nrmse_l2": metrics.nrmse_l2(real, fake, data_range=RANGE),
    }
    brain = paired.brain | paired.lesion
    scores["nmi_brain"] = metrics.nmi(real, fake, data_range=RANGE, mask=brain)
    real, fake = np.where(brain, real, 0.0), np.where(brain, fake, 0.0)
    similarity = metrics.ssim_map(real, fake, data_range=RANGE)
    scores["ssim_brain_interior"] = masked_mean(similarity, valid_region(metrics.interior(brain)))
    for name, mask in regions(paired).items():
        scores[f"psnr_{name}"] = metrics.psnr(real, fake, data_range=RANGE, mask=mask)
        scores[f"ssim_{name}"] = masked_mean(similarity, valid_region(mask))
        scores[f"mae_{name}"] = metrics.mae(real, fake, data_range=RANGE, mask=mask)
    return scores


def blur(paired: Paired, images: np.ndarray) -> dict[str, dict[Hashable, float]]:
    """Returns `blur_brain` by patient: 0 sharp, 1 blurred; to be read beside the real image's."""
    normalised = paired.normalised(images)
    values = metrics.blur_effect(normalised, data_range=RANGE, mask=paired.brain | paired.lesion)
    return {"blur_brain": slice_means(values, paired.direction.patients)}


def regions(paired: Paired) -> dict[str, np.ndarray]:
    """Returns the masks bool [P, H, W] that scores are restricted to, by suffix."""
    masks = {"brain": paired.brain | paired.lesion}
    if paired.lesion_known.any():
        is_known = paired.lesion_known[:, None, None]
        masks |= {"lesion": paired.lesion, "healthy": paired.brain & ~paired.lesion & is_known}
    return masks


def patient_scores(
    paired: Paired, images: np.ndarray, scores: dict[str, np.ndarray]
) -> dict[str, dict[Hashable, float]]:
    """Returns the scores of each patient: means of its slices, and PSNR pooled over each volume.

    `psnr_volume` is the headline. `psnr_volume_unit` is the same in the records' unit range, which
    is what validation while training shows.
    """
    direction = paired.direction
    real, fake = paired.normalised(direction.target), paired.normalised(images)
    pooled = {
        "psnr_volume": _volume_psnr(direction, real, fake, None),
        "psnr_volume_unit": _volume_psnr(direction, direction.target, images, None),
    }
    for name, mask in regions(paired).items():
        pooled[f"psnr_volume_{name}"] = _volume_psnr(direction, real, fake, mask)
    means = {name: slice_means(values, direction.patients) for name, values in scores.items()}
    return pooled | means


def _volume_psnr(direction: directions.Direction, real, made, mask) -> dict[Hashable, float]:
    volumes = metrics.psnr_volume(
        real, made, volumes=list(direction.volumes), data_range=RANGE, mask=mask
    )
    home = dict(zip(direction.volumes, direction.patients, strict=True))
    groups: dict[Hashable, list[float]] = {}
    for volume, value in volumes.items():
        if not np.isnan(value):
            groups.setdefault(home[volume], []).append(value)
    return {patient: float(np.mean(values)) for patient, values in groups.items()}
