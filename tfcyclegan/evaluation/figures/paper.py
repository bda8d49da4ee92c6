"""`--protocol=paper`: the scores of Trong et al. 2023 as far as their text defines them.

They print one FID, SSIM and PSNR without split, window, data range or the base of the logarithm.
This reading of them: 256 x 256 pixels of 8 bits, the whole frame, data range 255, logarithm to base
10, and the mean over slices. That it is the authors' cannot be tested, their data are private.

Beside it stand the scales of other tables, in which each image is divided by itself.
"""

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.data import intensity
from tfcyclegan.data.intensity import UNIT_RANGE
from tfcyclegan.data.slices import resample
from tfcyclegan.evaluation import directions
from tfcyclegan.evaluation.figures.entries import entry, plain, slice_means

SIDE = 256
LEVELS = 255
PUBLISHED_SCALES = {
    "psnr_maxnorm": metrics.psnr_maxnorm,
    "ssim_maxnorm": metrics.ssim_maxnorm,
    "psnr_meannorm": metrics.psnr_meannorm,
    "ssim_meannorm": metrics.ssim_meannorm,
}
"""Of SynDiff and ResViT, and of SelfRDB. They forgive a gain: for reading those tables only."""
REASON = "the paper counts slices, which are not independent"


def entries(direction: directions.Direction, images: np.ndarray) -> dict[str, dict]:
    """Returns `paper_ssim`, `paper_psnr` and `PUBLISHED_SCALES` of slices [P, H, W, 1], unit range.

    The latter are means over patients of the means over their slices, in the records' range.
    """
    real, synthetic = eight_bits(direction.target), eight_bits(images)
    psnr = metrics.psnr_slice_mean(metrics.psnr(real, synthetic, data_range=LEVELS))
    ssim = metrics.ssim(real, synthetic, data_range=LEVELS)
    scales = {}
    for name, metric in PUBLISHED_SCALES.items():
        values = metric(direction.target, images, data_range=UNIT_RANGE)
        count = int(np.isfinite(values).sum())
        scales[name] = entry(slice_means(values, direction.patients), count)
    return {
        "paper_psnr": plain(
            psnr.mean, REASON, n_slices=psnr.n_averaged, n_identical=psnr.n_identical
        ),
        "paper_ssim": plain(float(ssim.mean()), REASON, n_slices=len(ssim)),
        **scales,
    }


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Returns float64 [N, 256, 256] of whole grey levels 0 to 255 of images in unit range."""
    stored = resample(intensity.unit_to_stored(images[..., 0]), SIDE)
    return np.rint(intensity.stored_to_unit(stored.astype(np.float64)) * LEVELS)
