"""What a model has to beat: translations that need no model.

All but copy_source look at the real target, which no model does: they say what a score is worth,
not what can be reached. On a brain slice, one grey in place of the brain scores a whole-frame SSIM
of 0.79 and 20.6 dB, which is above published CycleGANs.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from tfcyclegan.evaluation.cases import Paired

BLUR_SIGMA = 2.0
"""Standard deviation of the blur, pixels of the scored image."""


def copy_source(paired: Paired) -> np.ndarray:
    """Returns the source: what doing nothing scores."""
    return paired.direction.source


def histogram_matched(paired: Paired) -> np.ndarray:
    """Returns the source with its grey levels mapped to the target's histogram, per patient.

    As scikit-image's `match_histograms`: the monotonic map that sends each quantile of the
    patient's source slices to that of the target slices.
    """
    direction = paired.direction
    matched = np.empty_like(direction.source)
    for patient in set(direction.patients):
        rows = direction.patients == patient
        matched[rows] = _matched(direction.source[rows], direction.target[rows])
    return matched


def _matched(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(source, return_inverse=True, return_counts=True)
    levels, target_counts = np.unique(target, return_counts=True)
    quantiles = np.cumsum(counts) / source.size
    mapped = np.interp(quantiles, np.cumsum(target_counts) / target.size, levels)
    return mapped[place].reshape(source.shape).astype(np.float32)


def constant_brain(paired: Paired) -> np.ndarray:
    """Returns one grey inside the brain mask, the mean of the real volume's brain, and 0 outside.

    Of all constants it has the least squared error.
    """
    direction = paired.direction
    grey = np.zeros_like(direction.target)
    for volume in set(direction.volumes):
        rows = np.flatnonzero(direction.volumes == volume)
        brain = paired.brain[rows]
        grey[rows] = (brain * direction.target[rows][..., 0][brain].mean())[..., np.newaxis]
    return grey


def blurred_target(paired: Paired) -> np.ndarray:
    """Returns the real target after a Gaussian blur: right everywhere, and useless."""
    return ndimage.gaussian_filter(paired.direction.target, (0, BLUR_SIGMA, BLUR_SIGMA, 0))


def previous_slice(paired: Paired) -> np.ndarray | None:
    """Returns the real target one slice below, or above for the lowest slice.

    The contrast is right and the place is wrong. None where a volume has one slice only.
    """
    direction = paired.direction
    neighbours = np.empty_like(direction.target)
    for volume in set(direction.volumes):
        rows = np.flatnonzero(direction.volumes == volume)
        if len(rows) < 2:
            return None
        rows = rows[np.argsort(direction.indices[rows], kind="stable")]
        neighbours[rows] = direction.target[[rows[1], *rows[:-1]]]
    return neighbours


BASELINES: dict[str, Callable[[Paired], np.ndarray | None]] = {
    "copy_source": copy_source,
    "histogram_matched": histogram_matched,
    "constant_brain": constant_brain,
    "blurred_target": blurred_target,
    "previous_slice": previous_slice,
}
"""In every paired table, in this order."""

ABOUT = {
    "copy_source": "the source itself",
    "histogram_matched": "source with the real target's histogram, per patient",
    "constant_brain": "the real brain's mean inside the brain mask, 0 outside",
    "blurred_target": f"real target, Gaussian blur of {BLUR_SIGMA:g} pixels",
    "previous_slice": "real target of the neighbouring slice",
}
"""What each is, for reports."""
