"""The brain in pairs of T2 and FLAIR slices, for records that have no masks of it."""

import numpy as np
from scipy import ndimage

from tfcyclegan.data import head

T2_LEAST, FLAIR_LEAST, FLAIR_MOST = 0.6, 0.5, 1.5
"""Bounds of tissue, as shares of the median inside the brain. Air, bone and muscle are darker than
tissue in T2. Fluid is darker in FLAIR. Fat is brighter there, or darker where it is suppressed."""
PASSES = 2
"""The first pass takes medians over the head without its rim, the second over the brain of the
first."""
BLUR, NECK, FOLD = 0.005, 0.016, 0.04
"""Widths as shares of the frame. BLUR is the Gaussian against noise. NECK is what joins brain and
eyes or muscle, and is cut. FOLD is closed, so that fluid between folds belongs to the brain."""
RULE = (
    f"estimated: the volume's largest piece of what is above {T2_LEAST:g} of the brain's median in"
    f" real T2 and between {FLAIR_LEAST:g} and {FLAIR_MOST:g} in real FLAIR, holes filled"
)


def brain_of(
    t2: np.ndarray, flair: np.ndarray, volumes: np.ndarray, indices: np.ndarray
) -> np.ndarray:
    """Returns where the brain is: the largest piece of tissue of a volume, with what it encloses.

    A rule of thumb, not a trained segmenter. Against drawn masks its Dice is 0.93 to 0.96
    (docs/evaluation.md).

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
        inside, _ = head.inside_and_rim(head.head(smooth[1][..., np.newaxis]))
        for _ in range(PASSES):
            if inside.any():
                inside = _largest(_tissue(*smooth, inside))
        brain[rows] = inside
    return brain


def _tissue(t2: np.ndarray, flair: np.ndarray, inside: np.ndarray) -> np.ndarray:
    level_t2, level_flair = np.median(t2[inside]), np.median(flair[inside])
    tissue = (flair > FLAIR_LEAST * level_flair) & (flair < FLAIR_MOST * level_flair)
    return tissue & (t2 > T2_LEAST * level_t2)


def _largest(tissue: np.ndarray) -> np.ndarray:
    size = tissue.shape[1]
    neck, fold = (max(1, round(width * size)) for width in (NECK, FOLD))
    cores = np.stack([ndimage.binary_erosion(mask, iterations=neck) for mask in tissue])
    pieces, _ = ndimage.label(cores)
    # Without a core there is no piece; argmax still needs a value.
    sizes = np.bincount(pieces[cores], minlength=1)
    brain = (pieces == sizes.argmax()) & cores
    return np.stack([_closed(mask, neck, fold) for mask in brain])


def _closed(core: np.ndarray, neck: int, fold: int) -> np.ndarray:
    # Closing erodes what touches the border of its array.
    padded = np.pad(ndimage.binary_dilation(core, iterations=neck), fold)
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(padded, iterations=fold))
    return filled[fold:-fold, fold:-fold]


def _blurred(images: np.ndarray) -> np.ndarray:
    width = BLUR * images.shape[1]
    return ndimage.gaussian_filter(images.astype(np.float32), (0.0, width, width))
