"""The brain in pairs of T2 and FLAIR slices, for records that have no masks of it."""

import numpy as np
from scipy import ndimage

from tfcyclegan.data import head

T2_LEAST, FLAIR_LEAST, FLAIR_MOST = 0.6, 0.5, 1.5
"""Bounds of tissue as shares of the median inside the brain. Air, bone and muscle are darker in T2,
fluid is in FLAIR; fat is brighter in FLAIR or, where it is suppressed, darker."""
PASSES = 2
"""The first takes medians over the head without its rim, the second over the brain found first."""
BLUR, NECK, FOLD = 0.005, 0.016, 0.04
"""Widths as shares of the frame: of the Gaussian against noise, of what joins brain and eyes or
muscle and is cut, and of what is closed, so that fluid between folds belongs to the brain."""
RULE = (
    f"estimated: the volume's largest piece of what is above {T2_LEAST:g} of the brain's median in"
    f" real T2 and between {FLAIR_LEAST:g} and {FLAIR_MOST:g} in real FLAIR, holes filled"
)


def brain_of(
    t2: np.ndarray, flair: np.ndarray, volumes: np.ndarray, indices: np.ndarray
) -> np.ndarray:
    """Returns where the brain is: the largest piece of tissue of a volume, with what it encloses.

    A rule of thumb and no segmenter: against drawn masks Dice is 0.93 to 0.96 (docs/evaluation.md).

    Args:
        t2: Real slices, [P, H, W], values of at least 0.
        flair: Real slices of the same places.
        volumes: Id of each slice's volume, [P].
        indices: Position of each slice in its volume, [P].

    Returns:
        bool [P, H, W]; False where a slice has no part in that piece.
    """
    brain = np.zeros(flair.shape, bool)
    for volume in dict.fromkeys(volumes):
        rows = np.flatnonzero(volumes == volume)
        rows = rows[np.argsort(indices[rows], kind="stable")]
        smooth = _blurred(t2[rows]), _blurred(flair[rows])
        # A scalp whose fat is suppressed would pull the median down.
        found, _ = head.inside_and_rim(head.head(smooth[1][..., np.newaxis]))
        for _ in range(PASSES):
            if found.any():
                found = _largest(_tissue(*smooth, found))
        brain[rows] = found
    return brain


def _tissue(t2: np.ndarray, flair: np.ndarray, inside: np.ndarray) -> np.ndarray:
    level_t2, level_flair = np.median(t2[inside]), np.median(flair[inside])
    tissue = (flair > FLAIR_LEAST * level_flair) & (flair < FLAIR_MOST * level_flair)
    return tissue & (t2 > T2_LEAST * level_t2)


def _largest(tissue: np.ndarray) -> np.ndarray:
    size = tissue.shape[1]
    neck, fold = (max(1, round(width * size)) for width in (NECK, FOLD))
    cores = np.stack([ndimage.binary_erosion(one, iterations=neck) for one in tissue])
    pieces, _ = ndimage.label(cores)
    sizes = np.bincount(pieces[cores], minlength=1)
    brain = (pieces == sizes.argmax()) & cores
    return np.stack([_closed(one, neck, fold) for one in brain])


def _closed(core: np.ndarray, neck: int, fold: int) -> np.ndarray:
    padded = np.pad(ndimage.binary_dilation(core, iterations=neck), fold)
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(padded, iterations=fold))
    return filled[fold:-fold, fold:-fold]


def _blurred(images: np.ndarray) -> np.ndarray:
    width = BLUR * images.shape[1]
    return ndimage.gaussian_filter(images.astype(np.float32), (0.0, width, width))
