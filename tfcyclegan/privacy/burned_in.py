"""Finds text that was drawn into the pixels of a volume, by what tells drawing from anatomy.

Drawn characters have one exact value, edges that no scanner's point spread allows, and often the
same place on every slice. Three rules look for that (spec/ingestion.md, A6); a hit means that a
person must look, not that there is text. Nothing here reads characters, so no text is ever held.

What the rules cannot see: text darker than what it stands on, text of fewer than `FEWEST` edge
voxels, text on one slice whose strokes blend into a noisy or lossy background, handwriting.
"""

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from tfcyclegan.data import windows

FEWEST = 30
"""Edge voxels that make a drawing; one legible word of the smallest fonts has about 70."""
BRIGHT = 0.1
"""Drawn voxels exceed the background by more than this share of the window."""
EDGE = 0.1
"""A drawn voxel exceeds a neighbour by more than this share of the window."""
OFTEN = 0.9
"""Share of the slices that "the same place on every slice" asks for."""
STILL = 1.0
"""Largest standard deviation over slices, in stored units, of a voxel that was drawn on all."""
STEEP = 0.5
"""A drawn voxel at the maximum exceeds a neighbour by more than this share of the whole range."""
ALL_STEEP = 0.7
"""Share of the outline of what stands at the maximum that is steep: text 1, saturation 0.4."""
SPIKE = 3.0
"""A drawn value is more than so many times as frequent at edges as the values next to it."""
NEXT = 4
"""Neighbouring values on each side that `SPIKE` compares with."""

_LEVELS = 4095.0
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def found(stored: Sequence[np.ndarray], *, inverted: bool, floating: bool) -> tuple[str, ...]:
    """Returns the names of the rules that a volume breaks, none if it looks clean.

    Args:
        stored: Stored values before rescaling, of each slice [height, width], padding set to the
            background. Rescaling by slice would hide that a drawn value is one value.
        inverted: Whether low is white (MONOCHROME1).
        floating: Whether the values are real numbers, which have no unit step.

    Returns:
        Of "repeated" (a: among the brightest at one place on most slices), "exact" (b: one exact
        value at the edges of one slice) and "still" (c: bright and unchanged over the slices).
    """
    images = _without_border(_unsigned(stored, inverted, floating))
    sample = [image[::2, ::2].ravel() for image in images]
    low, high, brightest = windows.percentiles_of(sample, (0.5, 99.5, 99.9))
    top = max(int(image.max()) for image in images)
    span = (high - low) or (top - low)
    if span <= 0:
        return ()
    # Slice by slice, because a slice fits the processor's cache and a volume does not.
    edges = [_steps(image, EDGE * span) & (image > int(low + BRIGHT * span)) for image in images]
    # As indices, because a mask that is nearly empty takes NumPy as long as a full one.
    places = np.nonzero(_often(edges))
    values = np.stack([image[places] for image in images])
    drawn = np.stack([marks[places] for marks in edges]) & (values >= brightest)
    rules = {
        "repeated": np.count_nonzero(_often(drawn)) >= FEWEST,
        "exact": any(_has_exact_value(*pair, low, top) for pair in zip(images, edges, strict=True)),
        "still": np.count_nonzero(values.std(axis=0) < STILL) >= FEWEST,
    }
    return tuple(name for name, broken in rules.items() if broken)


def _unsigned(stored: Sequence[np.ndarray], inverted: bool, floating: bool) -> list[np.ndarray]:
    """Returns unsigned integers of 8 or 16 bits; high is white, and the zero is arbitrary."""
    dtype = stored[0].dtype
    if floating or dtype.kind == "f" or dtype.itemsize > 2:
        stored = _whole_numbers(stored, floating)
    size = stored[0].dtype.itemsize
    white = (1 << 8 * size) - 1
    # Flipping the highest bit puts signed values into the order of unsigned ones. Flipping all bits
    # makes inverted values high where they are white.
    flipped = (white if inverted else 0) ^ (1 << 8 * size - 1 if stored[0].dtype.kind == "i" else 0)
    values = [np.ascontiguousarray(image).view(f"u{size}") for image in stored]
    return [image ^ image.dtype.type(flipped) for image in values] if flipped else values


def _whole_numbers(volume: Sequence[np.ndarray], floating: bool) -> list[np.ndarray]:
    low = min(float(image.min()) for image in volume)
    high = max(float(image.max()) for image in volume)
    exact = not floating and high - low < 1 << 16
    scale = 1.0 if exact or high <= low else _LEVELS / (high - low)
    return [np.rint((image - low) * scale).astype(np.uint16) for image in volume]


def _without_border(images: list[np.ndarray]) -> list[np.ndarray]:
    """Cuts off blank slices and the blank frame around the image, whose edge is no drawing."""
    lowest = min(image.min() for image in images)
    images = [image for image in images if image.max() > lowest] or images[:1]
    brightest = functools.reduce(np.maximum, images)
    rows, columns = (np.flatnonzero(brightest.max(axis=axis) > lowest) for axis in (1, 0))
    if not rows.size:
        return images
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return [image[inside] for image in images]


def _steps(image: np.ndarray, height: float) -> np.ndarray:
    """Returns where a pixel exceeds one of its four neighbours by more than `height`."""
    return image - cv2.erode(image, _CROSS) > int(height)


def _often(marks: Sequence[np.ndarray]) -> np.ndarray:
    """Returns at which places a mark is set on most slices."""
    count = np.zeros(marks[0].shape, np.uint8 if len(marks) < 256 else np.uint16)
    for image in marks:
        count += image
    return count >= OFTEN * len(marks)


def _has_exact_value(image: np.ndarray, marks: np.ndarray, low: float, top: int) -> bool:
    """Tells whether a slice has a value that is too frequent at edges to be measured."""
    if np.count_nonzero(marks) < FEWEST:
        return False
    counts = np.bincount(image.ravel()[np.flatnonzero(marks)])
    if counts.size == top + 1:
        # Saturation piles values up at the maximum, but it fades into its surroundings.
        piled = image == top
        steep = np.count_nonzero(_steps(image, STEEP * (top - low)) & piled)
        outline = np.count_nonzero(_steps(image, 0.0) & piled)
        if steep >= max(FEWEST, ALL_STEEP * outline):
            return True
        counts = counts[:-1]
    counts = counts[counts > 0]
    return bool(np.any((counts >= FEWEST) & (counts > SPIKE * _next(counts))))


def _next(counts: np.ndarray) -> np.ndarray:
    """Returns the largest count among the `NEXT` values before and after each value."""
    padded = np.pad(counts, NEXT)
    around = [padded[i : i + counts.size] for i in range(2 * NEXT + 1) if i != NEXT]
    return np.max(around, axis=0)
