"""Intensity maps before paired metrics: one from the reference, and two of published tables.

What both images are divided by decides PSNR and SSIM more than the translation does: under
division by the own maximum a gain error of 0.8 goes from 21.7 dB to over 300 dB.
"""

import dataclasses
import math

import numpy as np

from tfcyclegan.metrics.image_pairs import checked_pair
from tfcyclegan.metrics.ssim import SMALLEST_SIDE, local_terms

LOWEST_PERCENTILE, HIGHEST_PERCENTILE = 0.5, 99.5


@dataclasses.dataclass(frozen=True)
class ReferenceNormaliser:
    """One affine map for the target and its translation, from the real target's brain voxels.

    Attributes:
        low: Intensity that becomes 0, in units of the reference.
        high: Intensity that becomes 1.
    """

    low: float
    high: float

    NAME = "reference_brain_p0.5_p99.5_v1"
    """Goes into reports; another percentile or rule is another name."""

    @classmethod
    def of(cls, reference: np.ndarray, brain: np.ndarray) -> "ReferenceNormaliser":
        """Returns the map of a real volume.

        Args:
            reference: Any shape and real dtype, the real target.
            brain: Boolean of that shape.

        Raises:
            ValueError: The mask has another shape or dtype or is empty, a voxel in it is not
                finite, or the percentiles are equal.
        """
        reference, brain = np.asarray(reference), np.asarray(brain)
        if brain.dtype != np.bool_ or brain.shape != reference.shape or not brain.any():
            raise ValueError(
                f"A brain mask expected dtype bool, shape {reference.shape} and a voxel. Received:"
                f" {brain.dtype}, {brain.shape}, {np.count_nonzero(brain)} voxels."
            )
        voxels = reference[brain].astype(np.float64)
        low, high = np.percentile(voxels, [LOWEST_PERCENTILE, HIGHEST_PERCENTILE])
        if not low < high:
            raise ValueError(
                "A reference expected finite intensities that differ inside the brain. Received:"
                f" percentiles {low:g} and {high:g}."
            )
        return cls(float(low), float(high))

    def __call__(self, images: np.ndarray, brain: np.ndarray | None = None) -> np.ndarray:
        """Returns `images` mapped and cut to [0, 1], float64; 0 outside `brain` if one is given."""
        mapped = (np.asarray(images, np.float64) - self.low) / (self.high - self.low)
        mapped = np.clip(mapped, 0.0, 1.0)
        return mapped if brain is None else np.where(brain, mapped, 0.0)

    def description(self) -> dict:
        """Returns what a report says of the map."""
        return {"name": self.NAME, "low": self.low, "high": self.high}


def psnr_maxnorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the PSNR after dividing each image by its own maximum, in dB, float64 [N].

    Only for comparison with tables made so (SynDiff, ResViT): it forgives any gain. Images and
    errors as `psnr`; `data_range` serves the check only. NaN where an image is zero everywhere.
    """
    return _psnr(*_divided(target, prediction, np.max, data_range), peak=1.0)


def psnr_meannorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the PSNR after dividing each image by its own mean, the peak being the target's.

    Only for comparison with tables made so (SelfRDB); otherwise as `psnr_maxnorm`.
    """
    target, prediction = _divided(target, prediction, np.mean, data_range)
    return _psnr(target, prediction, peak=target.max(axis=(1, 2)))


def ssim_maxnorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the SSIM after dividing each image by its own maximum; see `psnr_maxnorm`."""
    target, prediction = _divided(target, prediction, np.max, data_range)
    return _ssim(target, prediction, np.ones(len(target)))


def ssim_meannorm(target: np.ndarray, prediction: np.ndarray, *, data_range: float) -> np.ndarray:
    """Returns the SSIM after dividing each image by its own mean; see `psnr_meannorm`.

    SelfRDB takes a uniform 7 x 7 window where this takes that of `ssim`.
    """
    target, prediction = _divided(target, prediction, np.mean, data_range)
    return _ssim(target, prediction, target.max(axis=(1, 2)))


def _divided(target, prediction, statistic, data_range) -> tuple[np.ndarray, np.ndarray]:
    images = checked_pair(target, prediction, data_range=data_range, smallest_side=SMALLEST_SIDE)
    with np.errstate(invalid="ignore"):
        return tuple(image / statistic(image, axis=(1, 2), keepdims=True) for image in images)


def _psnr(target: np.ndarray, prediction: np.ndarray, peak: float | np.ndarray) -> np.ndarray:
    error = np.mean((target - prediction) ** 2, axis=(1, 2))
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(peak**2 / error)


def _ssim(target: np.ndarray, prediction: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    triples = zip(target, prediction, ranges, strict=True)
    return np.array([np.mean(math.prod(local_terms(a, b, top))) for a, b, top in triples])
