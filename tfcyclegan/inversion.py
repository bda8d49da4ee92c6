"""A guard against contrast inversion: a whole head whose bright parts come out dark.

T2 to FLAIR inverts CSF and nothing else. A generator can please its discriminator with a wholly
inverted head, which the cycle undoes; it happens in the first epochs, sooner with a larger initial
variance, and training seldom leaves it.
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfcyclegan import scoring
from tfcyclegan.validation_slices import ValidationSlices

FIRST_EPOCHS = 10
"""Epochs in which a warning still helps: a run can be started again at little loss."""

MARGIN = 0.1
"""A correlation must be this far below both 0 and that of real pairs to be called inverted."""

RIM = 0.06
"""Thickness of the rim of a head as a share of the frame."""

FLAT = 1e-5
"""A standard deviation below this, less than a step of 16 bit, is rounding; unit range."""


class InversionGuard(keras.callbacks.Callback):
    """Warns once where the sign of `val_source_correlation_*` in `logs` says inversion.

    Stands after the `Validation` that adds them: the correlation of source and translation inside
    the head, the mean over slices.

    Args:
        slices: Validation slices; the correlation of their pairs is what a translation should have.
            Where there are none, 0 alone is the limit.
    """

    def __init__(self, slices: ValidationSlices):
        super().__init__()
        rows = np.arange(slices.pairs)
        a, b = slices.a.take(rows).unit(), slices.b.take(rows).unit()
        self._real = {
            name: mean_correlation(source, target)
            for name, source, target in zip(scoring.DIRECTIONS, (a, b), (b, a), strict=True)
        }
        self._warned = False

    def on_epoch_end(self, epoch, logs=None):
        for name, real in self._real.items():
            made = (logs or {}).get(f"val_source_correlation_{name}", 0.0)
            inverted = made < min(0.0, real) - MARGIN
            if inverted and epoch < FIRST_EPOCHS and not self._warned:
                self._warned = True
                print(_warning(name, epoch + 1, made, real), file=sys.stderr)


def _warning(name: str, epoch: int, made: float, real: float) -> str:
    beside = "" if np.isnan(real) else f", that of real pairs {real:.2f}"
    return (
        f"warning: after epoch {epoch} the translation {name} inverts contrast: its correlation"
        f" with the source inside the head is {made:.2f}{beside}. Runs seldom recover from this."
        " Start again in another --workdir with another --seed, a larger --identity_weight or,"
        " unless it is so already, --initializer=normal_0.02."
    )


def head(images: np.ndarray) -> np.ndarray:
    """Returns where the head is: what is brighter than the slice's mean, and all that it encloses.

    Args:
        images: float32 [N, H, W, 1].

    Returns:
        bool [N, H, W].
    """
    bright = images[..., 0] > images.mean(axis=(1, 2, 3))[:, np.newaxis, np.newaxis]
    filled = [ndimage.binary_fill_holes(one) for one in bright]
    return np.stack(filled) if filled else bright


def inside_and_rim(heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the inside of heads, where fluid decides, and their rim: skin, fat and skull.

    Args:
        heads: bool [N, H, W], of `head`.
    """
    width = max(1, round(RIM * heads.shape[1]))
    inside = np.stack([ndimage.binary_erosion(one, iterations=width) for one in heads])
    return inside, heads & ~inside


def mean_correlation(source: np.ndarray, other: np.ndarray) -> float:
    """Returns the mean `correlation` of images [N, H, W, 1] inside the heads of `source`, or NaN.

    Slices where one of them is constant do not count.
    """
    values = correlation(source, other, head(source)).numpy()
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def correlation(x: tf.Tensor, y: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    """Returns Pearson's correlation of two images inside a mask.

    Args:
        x: [N, H, W, 1], unit range.
        y: [N, H, W, 1], unit range.
        masks: bool [N, H, W].

    Returns:
        float32 [N], -1 to 1; NaN where an image is constant inside the mask.
    """
    weights = tf.cast(masks, tf.float64)
    counts = tf.reduce_sum(weights, axis=(1, 2))

    def mean(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(values * weights, axis=(1, 2)) / counts

    # Centred before it is multiplied: raw moments would lose the spread of a bright image.
    x, y = (tf.cast(image[..., 0], tf.float64) for image in (x, y))
    x, y = (image - mean(image)[:, tf.newaxis, tf.newaxis] for image in (x, y))
    spread_x, spread_y = tf.sqrt(mean(x * x)), tf.sqrt(mean(y * y))
    flat = tf.minimum(spread_x, spread_y) < FLAT
    made = tf.where(flat, tf.constant(float("nan"), tf.float64), mean(x * y) / spread_x / spread_y)
    return tf.cast(made, tf.float32)
