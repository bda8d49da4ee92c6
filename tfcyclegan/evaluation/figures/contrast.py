"""The contrast check: is fluid as dark or bright as it should be, and nothing else inverted.

A CycleGAN of T2 and FLAIR can go wrong early in two ways, and both look plausible. Either fluid
keeps the brightness that it had in the source, or everything is inverted, the scalp too.
"""

from collections.abc import Hashable

import numpy as np

from tfcyclegan.data import head as data_head
from tfcyclegan.evaluation.cases import FOREGROUND_RULE, Paired
from tfcyclegan.evaluation.figures.entries import slice_means
from tfcyclegan.metrics import correlation

BRIGHT, DARK = 95.0, 25.0
"""Percentiles of a volume's brain; fluid lies above in one domain and below in the other. In the
phantom four fifths of the ventricles do, and four fifths of what does is fluid."""
FLUID_RULE = (
    f"brain pixels above percentile {BRIGHT:g} of the real volume in one domain and below"
    f" percentile {DARK:g} in the other; which is which follows from the larger area"
)
NO_FLUID = "no pixel follows the rule for fluid"
NO_VENTRICLES = "no ventricle masks in the records"
FLUID = ("fluid_contrast", "fluid_contrast_log_ratio")
VENTRICLE = ("ventricle_contrast", "ventricle_contrast_log_ratio")
CORRELATIONS = ("source_correlation_brain", "source_correlation_scalp")


def patient_values(paired: Paired, images: np.ndarray) -> dict[str, dict[Hashable, float]]:
    """Returns the figures of one method by patient; patients for whom one is undefined are absent.

    fluid_contrast: mean of fluid over mean of the rest of the brain.
    fluid_contrast_log_ratio: ln(synthetic / real) of it, 0 where the contrast is right.
    ventricle_contrast, ventricle_contrast_log_ratio: the same of the ventricles, where the records
    have masks of them.
    source_correlation_brain, source_correlation_scalp: Pearson's correlation of source and image
    there, per slice; a sign other than the real images' says that contrast is inverted.

    Args:
        paired: Real slices and masks.
        images: Synthetic slices, float32 [P, H, W, 1], unit range.
    """
    direction = paired.direction
    figures = dict.fromkeys(VENTRICLE, {})
    regions = {
        FLUID: (fluid_of(paired), np.ones(len(paired), bool)),
        VENTRICLE: (paired.ventricle, paired.ventricle_known),
    }
    for names, (region, is_known) in regions.items():
        if region is not None:
            contrasts = _contrasts(paired, images, region, is_known)
            figures |= dict(zip(names, contrasts, strict=True))
    return figures | {
        name: _correlations(direction.source, images, mask, direction.patients)
        for name, mask in _correlated_regions(paired).items()
    }


def _contrasts(
    paired: Paired, images: np.ndarray, region: np.ndarray, known: np.ndarray
) -> tuple[dict[Hashable, float], dict[Hashable, float]]:
    """Returns by patient the contrast of a region to the rest of the brain, and its log-ratio.

    A slice whose region is not `known` has no rest either, so it does not count.
    """
    direction = paired.direction
    rest = paired.brain & ~region & known[:, None, None]
    synthetic, real = (
        region_contrast(slices[..., 0], region, rest, direction.patients)
        for slices in (images, direction.target)
    )
    return synthetic, log_ratio(synthetic, real)


def unpaired_values(
    source: np.ndarray, fake: np.ndarray, patients: np.ndarray
) -> dict[str, dict[Hashable, float]]:
    """Returns the correlations where there is no real target, inside and at the rim of the head.

    Args:
        source: float32 [N, H, W, 1], unit range.
        fake: Its translations.
        patients: [N] ids.
    """
    masks = _from_head(data_head.head(source))
    return {name: _correlations(source, fake, mask, patients) for name, mask in masks.items()}


def _correlated_regions(paired: Paired) -> dict[str, np.ndarray]:
    """Returns masks of brain and scalp, bool [P, H, W], by the name of their correlation."""
    head = data_head.head(paired.direction.target)
    if paired.brain_rule == FOREGROUND_RULE:
        return _from_head(head)
    return {
        "source_correlation_brain": paired.brain,
        "source_correlation_scalp": head & ~paired.brain,
    }


def _from_head(head: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(CORRELATIONS, data_head.inside_and_rim(head), strict=True))


def _correlations(
    source: np.ndarray, images: np.ndarray, masks: np.ndarray, patients: np.ndarray
) -> dict[Hashable, float]:
    return slice_means(correlation.correlation(source, images, masks).numpy(), patients)


def fluid_of(paired: Paired) -> np.ndarray:
    """Returns where fluid is, bool [P, H, W], from the two real images by `FLUID_RULE`."""
    images = (paired.direction.source[..., 0], paired.direction.target[..., 0])
    bright, dark = np.zeros((2, 2, *paired.brain.shape), bool)
    for volume in set(paired.direction.volumes):
        rows = np.flatnonzero(paired.direction.volumes == volume)
        for side, image in enumerate(images):
            low, high = np.percentile(image[rows][paired.brain[rows]], (DARK, BRIGHT))
            bright[side, rows], dark[side, rows] = image[rows] >= high, image[rows] <= low
    candidates = [bright[0] & dark[1] & paired.brain, bright[1] & dark[0] & paired.brain]
    return max(candidates, key=np.count_nonzero)


def region_contrast(
    images: np.ndarray, region: np.ndarray, rest: np.ndarray, patients: np.ndarray
) -> dict[Hashable, float]:
    """Returns mean in `region` over mean in `rest` of each patient that has both.

    Args:
        images: [N, H, W], values of at least 0.
        region: bool [N, H, W].
        rest: bool [N, H, W].
        patients: [N] ids.
    """
    contrasts = {}
    for patient in dict.fromkeys(patients):
        rows = patients == patient
        inside, outside = images[rows][region[rows]], images[rows][rest[rows]]
        if inside.size and outside.size and outside.mean(dtype=np.float64) > 0:
            contrasts[patient] = float(
                inside.mean(dtype=np.float64) / outside.mean(dtype=np.float64)
            )
    return contrasts


def log_ratio(made: dict[Hashable, float], real: dict[Hashable, float]) -> dict[Hashable, float]:
    """Returns ln(made / real) of the patients for whom it is finite."""
    return {
        patient: float(np.log(made[patient] / real[patient]))
        for patient in made
        if made[patient] > 0 and real.get(patient, 0.0) > 0
    }
