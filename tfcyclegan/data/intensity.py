"""The three pixel units and every conversion between them.

*scanner*: float32, what the scanner meant, after rescale slope and intercept; unbounded.
*unit*: float32 in [0, 1], after the volume's window was applied; what metrics and servers see.
*model*: float32 in [-1, 1], the range of tanh; what networks see.
A record stores unit range as uint16 (*stored*), 0 to 65535.

Functions take NumPy arrays and TensorFlow tensors alike, unless they say otherwise.
"""

import numpy as np

STORED_MAX = 65535
FOREGROUND = 0.1
"""In unit range; what is brighter than this is not air."""


def scanner_to_unit(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Maps scanner units to unit range by `window` and clips; NumPy only, returns float32."""
    lo, hi = window
    unit = image.astype(np.float32)
    unit -= lo
    unit /= hi - lo
    return np.clip(unit, 0.0, 1.0, out=unit)


def unit_to_scanner(image, window: tuple[float, float]):
    """Inverse of `scanner_to_unit` inside the window."""
    lo, hi = window
    return image * (hi - lo) + lo


def unit_to_stored(image: np.ndarray) -> np.ndarray:
    """Rounds unit range to uint16 0..65535; NumPy only. The error is at most 0.5 / 65535."""
    return np.rint(np.clip(image, 0.0, 1.0) * STORED_MAX).astype("<u2")


def stored_to_unit(image):
    """Maps stored values, already cast to float, to unit range."""
    return image / STORED_MAX


def unit_to_model(image):
    """Maps [0, 1] to [-1, 1]."""
    return image * 2.0 - 1.0


def model_to_unit(image):
    """Maps [-1, 1] to [0, 1]."""
    return (image + 1.0) * 0.5


UNIT_RANGE = 1.0
