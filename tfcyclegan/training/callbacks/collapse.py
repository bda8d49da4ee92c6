"""A warning of a generator that makes nearly the same image of whatever it is given."""

import sys

import numpy as np

from tfcyclegan.data import batches
from tfcyclegan.data.head import head
from tfcyclegan.models import translators
from tfcyclegan.training.callbacks.early_look import SLICES, EarlyLook

ALIKE = 0.1
"""Translations whose differences are a smaller share of those of real slices are alike."""


def difference(images: np.ndarray, heads: np.ndarray) -> float:
    """Returns how far slices are apart: the mean absolute difference of one and the next.

    Args:
        images: float32 [N, H, W, 1].
        heads: bool [N, H, W]; what is in both heads counts.

    Returns:
        NaN where no two heads overlap.
    """
    both = heads[1:] & heads[:-1]
    apart = np.abs(images[1:] - images[:-1])[..., 0][both]
    return float(apart.mean()) if apart.size else float("nan")


class CollapseWatch(EarlyLook):
    """Warns once where translations of different slices hardly differ.

    Inside the heads: what lies outside may pass through as it is.
    """

    def look(self, step):
        self.look_at_samples(step)
        for name, generator in self.model.generators.items():
            source, target = self._images[name[0]], self._images[name[-1]]
            # Not the moving averages, which early in a run are still what it began with.
            made = batches.in_batches(translators.translator_of(generator), source)
            real = difference(target, head(target))
            share = difference(made, head(source)) / real if real else float("nan")
            if share < ALIKE:
                said = sentence(f"translations {name} of different slices", step, share)
                print(f"warning: {said}", file=sys.stderr)

    def look_at_samples(self, step: int) -> None:
        """Looks at a model without a source: over the whole slice, as samples have no heads yet."""
        self.model.settle()
        for domain, sampler in self.model.samplers.items():
            given = self.model.sampled_from(self._slices, SLICES)
            made = translators.sampled(sampler, given).numpy()
            real = self._images[domain]
            of_real = difference(real, np.ones(real.shape[:3], bool))
            share = difference(made, np.ones(made.shape[:3], bool)) / of_real if of_real else np.nan
            if share < ALIKE:
                said = sentence(f"samples of domain {domain}", step, share)
                print(f"warning: {said}", file=sys.stderr)


def sentence(what: str, step: int, share: float) -> str:
    """Returns what a person reads about a generator whose images are alike."""
    return (
        f"after {step} steps {what} hardly differ: by"
        f" {share:.0%} of what real slices do. The generator has collapsed or learns too slowly."
        " Look at the samples. If they stay alike, start again in another --workdir with another"
        " --learning_rate or --initializer."
    )
