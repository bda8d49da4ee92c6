"""Cycle and identity scores: what a model undoes by itself. They are no measure of fidelity.

A CycleGAN hides its source in high frequencies of the translation (Chu et al. 2017,
arXiv:1712.02950), so that a cycle can be perfect and the translation wrong. The perturbed variant
takes the hiding place away: 8 bits and noise of 3/256 before the way back.
"""

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.data import batches, intensity
from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation.figures.entries import SEED, entry, slice_means
from tfcyclegan.models.translators import Translator

NO_CYCLE = "the model's way back was not trained with the way there"
NOISE = 3.0 / 256.0
"""Standard deviation of the noise, unit range: at this much, reconstruction of a hidden source
breaks (Chu et al. 2017)."""


def section(
    slices: dict[str, Slices],
    fakes: dict[str, np.ndarray],
    translators: dict[str, Translator],
) -> dict[str, dict]:
    """Returns the entries of both domains, over whole frames in unit range.

    cycle_*: x against its translation there and back. cycle_*_perturbed: the translation loses its
    hiding place in between. cycle_*_drop: the difference of the two, large where the source was
    hidden. identity_*: x against the translation of x as if it were of the other domain.

    Args:
        slices: "a" and "b" to all their slices.
        fakes: "a" and "b" to the translations of these slices.
        translators: Translator of each direction.
    """
    entries = {}
    for domain, back in (("a", "b_to_a"), ("b", "a_to_b")):
        if domain not in fakes or back not in translators:
            continue
        real, patients = slices[domain].unit(), slices[domain].metadata["id/patient"]

        def scores(images, real=real, back=back):
            return _scores(real, batches.in_batches(translators[back], images))

        cycle, identity = scores(fakes[domain]), scores(real)
        broken = scores(perturbed(fakes[domain]))
        for name in cycle:
            figures = {
                f"cycle_{name}_{domain}": cycle[name],
                f"cycle_{name}_{domain}_perturbed": broken[name],
                f"cycle_{name}_{domain}_drop": cycle[name] - broken[name],
                f"identity_{name}_{domain}": identity[name],
            }
            for title, values in figures.items():
                count = int(np.isfinite(values).sum())
                entries[title] = entry(slice_means(values, patients), count)
    return entries


def perturbed(images: np.ndarray) -> np.ndarray:
    """Returns float32 images rounded to 8 bits, with seeded Gaussian noise, in unit range."""
    noise = np.random.default_rng(SEED).normal(0.0, NOISE, images.shape)
    return np.clip(np.rint(images * 255.0) / 255.0 + noise, 0.0, 1.0).astype(np.float32)


def _scores(real: np.ndarray, made: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "psnr": metrics.psnr(real, made, data_range=intensity.UNIT_RANGE),
        "ssim": metrics.ssim(real, made, data_range=intensity.UNIT_RANGE),
        "mae": metrics.mae(real, made, data_range=intensity.UNIT_RANGE),
    }
