"""Pixels as text: stacks with 12 bits for the viewer, 8-bit PNGs for print, colours of maps.

A PNG on a canvas has 8 bits a channel, and browsers that resist fingerprinting change what is read
back from it. So the viewer gets deflated planes of bytes, which the browser inflates exactly.
"""

import base64
import zlib

import cv2
import numpy as np

LEVELS = 4095
"""Grey levels of a stack: what a scanner has, so that a narrow window still shows no steps."""
ERROR_RANGE = 0.5
"""Error, unit range, at which the colours of the error map end, until the reader changes it."""


def encode(stack: np.ndarray) -> str:
    """Returns float32 [S, H, W] in unit range as base64 of deflated bytes.

    All high bytes stand before all low bytes, since they compress apart: 1.1 bytes a pixel.
    """
    levels = np.rint(np.clip(np.nan_to_num(stack), 0, 1) * LEVELS).astype(np.uint16)
    planes = (levels >> 8).astype(np.uint8).tobytes() + (levels & 255).astype(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(planes)).decode()


def png(image: np.ndarray) -> bytes:
    """Returns a PNG of grey [H, W] or RGB [H, W, 3], unit range."""
    levels = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)
    return cv2.imencode(".png", levels[..., ::-1] if levels.ndim == 3 else levels)[1].tobytes()


def error_colours() -> np.ndarray:
    """Returns RGB [256, 3], unit range: blue where darker, black at 0, orange where brighter.

    Both are told apart by all common kinds of colour vision.
    """
    at = np.linspace(-1, 1, 256)
    dark, bright = np.maximum(-at, 0), np.maximum(at, 0)
    red = np.interp(bright, [0, 0.6, 1], [0, 1, 1]) + np.interp(dark, [0, 0.6, 1], [0, 0.1, 0.75])
    green = np.interp(bright, [0, 0.6, 1], [0, 0.5, 0.95])
    green += np.interp(dark, [0, 0.6, 1], [0, 0.5, 0.95])
    blue = np.interp(bright, [0, 0.6, 1], [0, 0.05, 0.7]) + np.interp(dark, [0, 0.6, 1], [0, 1, 1])
    return np.stack([red, green, blue], axis=1)


def risk_colours() -> np.ndarray:
    """Returns RGB [256, 3], unit range: black over red and yellow to white."""
    at = np.linspace(0, 1, 256)[:, np.newaxis]
    return np.clip(at * [2.6, 2.6, 2.6] - [0.0, 0.9, 1.6], 0, 1)


def error_image(synthetic: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Returns synthetic - real, both [H, W] in unit range, in colours [H, W, 3]."""
    at = np.clip((synthetic - real) / ERROR_RANGE / 2 + 0.5, 0, 1)
    return error_colours()[np.rint(at * 255).astype(int)]
