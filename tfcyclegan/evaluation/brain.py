"""The brain in a pair of T2 and FLAIR slices, for records that have no masks of it."""

import numpy as np
from scipy import ndimage

from tfcyclegan import inversion

TISSUE = {"t2": (0.6, 3.0), "flair": (0.5, 1.5)}
"""Of the median inside the brain. Air, bone and muscle are darker in T2, fluid is in FLAIR; fat is
brighter in FLAIR or, where it is suppressed, darker."""
PASSES = 2
"""The first takes the median of the head without its rim, for a brain of the second."""
BLUR, NECK, FOLD = 0.005, 0.016, 0.04
"""Widths as shares of the frame: of the Gaussian against noise, of what joins brain and eyes or
muscle and is cut, and of what is closed, so that fluid between folds belongs to the brain."""


def brain_of(images: dict[str, np.ndarray], volumes: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Returns where the brain is: the largest piece of tissue of a volume, with what it encloses.

    A rule of thumb and no segmenter: against drawn masks Dice is 0.93 to 0.96 (docs/evaluation.md).

    Args:
        images: "t2" and "flair" to real slices of the same places, [P, H, W], values of at least 0.
        volumes: Id of each slice's volume, [P].
        indices: Position of each slice in its volume, [P].

    Returns:
        bool [P, H, W]; nothing where a slice shows no brain.
    """
    brain = np.zeros(images["flair"].shape, bool)
    for volume in dict.fromkeys(volumes):
        rows = np.flatnonzero(volumes == volume)
        rows = rows[np.argsort(indices[rows], kind="stable")]
        smooth = {role: _blurred(images[role][rows]) for role in TISSUE}
        # A scalp whose fat is suppressed would pull the median down.
        found, _ = inversion.inside_and_rim(inversion.head(smooth["flair"][..., np.newaxis]))
        for _ in range(PASSES):
            if found.any():
                found = _largest(_tissue(smooth, found))
        brain[rows] = found
    return brain


def _tissue(smooth: dict[str, np.ndarray], inside: np.ndarray) -> np.ndarray:
    tissue = np.ones(inside.shape, bool)
    for role, image in smooth.items():
        least, most = (share * np.median(image[inside]) for share in TISSUE[role])
        tissue &= (image > least) & (image < most)
    return tissue


def _largest(tissue: np.ndarray) -> np.ndarray:
    size = tissue.shape[1]
    neck, fold = (max(1, round(width * size)) for width in (NECK, FOLD))
    cores = np.stack([ndimage.binary_erosion(one, iterations=neck) for one in tissue])
    pieces, _ = ndimage.label(cores)
    volumes = np.bincount(pieces.ravel())
    volumes[0] = 0
    brain = (pieces == volumes.argmax()) & cores
    return np.stack([_closed(one, neck, fold) for one in brain])


def _closed(core: np.ndarray, neck: int, fold: int) -> np.ndarray:
    padded = np.pad(ndimage.binary_dilation(core, iterations=neck), fold)
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(padded, iterations=fold))
    return filled[fold:-fold, fold:-fold]


def _blurred(images: np.ndarray) -> np.ndarray:
    width = BLUR * images.shape[1]
    return ndimage.gaussian_filter(images.astype(np.float32), (0.0, width, width))
