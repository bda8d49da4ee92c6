"""`--protocol=paper`: the scores of Trong et al. 2023 as far as their text defines them.

They print one FID, SSIM and PSNR without split, window, data range or the base of the logarithm.
This reading of them: 256 x 256 pixels of 8 bits, the whole frame, data range 255, logarithm to base
10, and the mean over slices. That it is the authors' cannot be tested, their data are private.
"""

import numpy as np

from tfcyclegan import intensity, metrics, scoring
from tfcyclegan.data import resample
from tfcyclegan.evaluation.entries import plain

SIDE = 256
LEVELS = 255
REASON = "the paper counts slices, which are not independent"


def entries(direction: scoring.Direction, images: np.ndarray) -> dict[str, dict]:
    """Returns `paper_ssim` and `paper_psnr` of synthetic slices [P, H, W, 1] in unit range."""
    real, made = eight_bits(direction.target), eight_bits(images)
    psnr = metrics.psnr_slice_mean(metrics.psnr(real, made, data_range=LEVELS))
    ssim = metrics.ssim(real, made, data_range=LEVELS)
    return {
        "paper_psnr": plain(
            psnr.mean, REASON, n_slices=psnr.n_averaged, n_identical=psnr.n_identical
        ),
        "paper_ssim": plain(float(ssim.mean()), REASON, n_slices=len(ssim)),
    }


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Returns float64 [N, 256, 256] of whole grey levels 0 to 255 of images in unit range."""
    stored = resample(intensity.unit_to_stored(images[..., 0]), SIDE)
    return np.rint(intensity.stored_to_unit(stored.astype(np.float64)) * LEVELS)
