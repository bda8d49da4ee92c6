"""A guard against contrast inversion: a whole head whose bright parts come out dark.

T2 to FLAIR inverts CSF and nothing else. A generator can please its discriminator with a wholly
inverted head, which the cycle undoes; it happens in the first epochs, sooner with a larger initial
variance, and training seldom leaves it.
"""

import sys

import keras
import numpy as np
from scipy import ndimage

from tfcyclegan import scoring
from tfcyclegan.pairing import Pairs

WATCHED_PAIRS = 16
"""Enough for a sign, and a fraction of a validation's time."""

FIRST_EPOCHS = 10
"""Epochs in which a warning still helps: a run can be started again at little loss."""

MARGIN = 0.1
"""A correlation must be this far below both 0 and that of real pairs to be called inverted."""


class InversionGuard(keras.callbacks.Callback):
    """Adds `val_source_correlation_*` to `logs`, and warns once where its sign says inversion.

    The correlation is that of source and translation inside the head, the mean over slices.

    Args:
        pairs: Validation pairs; the correlation of their two sides is what a translation should
            have.
        translators: Translator of each direction.
        every: Epochs between validations.
    """

    KEYS = tuple(f"val_source_correlation_{name}" for name in scoring.DIRECTIONS)

    def __init__(self, pairs: Pairs, translators: dict, every: int):
        super().__init__()
        self._directions = scoring.directions_of(pairs.thin(WATCHED_PAIRS))
        self._translators, self._every = translators, every
        self._heads = {d.name: head(d.source) for d in self._directions}
        self._real = {
            d.name: correlation(d.source, d.target, self._heads[d.name]) for d in self._directions
        }
        self._warned = False

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self._every:
            return
        for direction, key in zip(self._directions, self.KEYS, strict=True):
            name = direction.name
            fake = scoring.translate(self._translators[name], direction.source)
            logs[key] = correlation(direction.source, fake, self._heads[name])
            inverted = logs[key] < min(0.0, self._real[name]) - MARGIN
            if inverted and epoch < FIRST_EPOCHS and not self._warned:
                self._warned = True
                print(self._warning(name, epoch + 1, logs[key]), file=sys.stderr)

    def _warning(self, name: str, epoch: int, made: float) -> str:
        return (
            f"warning: after epoch {epoch} the translation {name} inverts contrast: its correlation"
            f" with the source inside the head is {made:.2f}, that of real pairs"
            f" {self._real[name]:.2f}. Runs seldom recover from this. Start again in another"
            " --workdir with --initializer=normal_0.02, a larger --identity_weight or another"
            " --seed."
        )


def head(images: np.ndarray) -> np.ndarray:
    """Returns where the head is: what is brighter than the slice's mean, and all that it encloses.

    Args:
        images: float32 [N, H, W, 1].

    Returns:
        bool [N, H, W].
    """
    bright = images[..., 0] > images.mean(axis=(1, 2, 3))[:, np.newaxis, np.newaxis]
    return np.stack([ndimage.binary_fill_holes(one) for one in bright])


def correlation(x: np.ndarray, y: np.ndarray, masks: np.ndarray) -> float:
    """Returns Pearson's correlation of two images inside a mask, the mean over the slices.

    Args:
        x: float32 [N, H, W, 1].
        y: float32 [N, H, W, 1].
        masks: bool [N, H, W].

    Returns:
        -1 to 1; slices where an image is constant inside the mask do not count, and NaN is returned
        where that leaves none.
    """
    values = []
    for one, other, mask in zip(x[..., 0], y[..., 0], masks, strict=True):
        inside = np.stack([one[mask], other[mask]]).astype(np.float64)
        if mask.any() and inside.std(axis=1).min() > 0:
            values.append(np.corrcoef(inside)[0, 1])
    return float(np.mean(values)) if values else float("nan")
