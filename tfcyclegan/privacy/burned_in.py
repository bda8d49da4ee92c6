"""Finds text that was drawn into the pixels of a volume, by what tells drawing from anatomy.

Drawn characters have one exact value, edges that no scanner's point spread allows, and often the
same place on every slice. Three rules look for that (spec/ingestion.md, A6); a hit means that a
person must look, not that there is text. Nothing here reads characters, so no text is ever held.

What the rules cannot see: text darker than what it stands on, text of fewer than `FEWEST` edge
voxels, text on one slice whose strokes blend into a noisy or lossy background, handwriting.
"""

import numpy as np

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


def found(stored: np.ndarray, *, inverted: bool, floating: bool) -> tuple[str, ...]:
    """Returns the names of the rules that a volume breaks, none if it looks clean.

    Args:
        stored: Stored values before rescaling, [slices, height, width], padding set to the
            background. Rescaling by slice would hide that a drawn value is one value.
        inverted: Whether low is white (MONOCHROME1).
        floating: Whether the values are real numbers, which have no unit step.

    Returns:
        Of "repeated" (a: among the brightest at one place on most slices), "exact" (b: one exact
        value at the edges of one slice) and "still" (c: bright and unchanged over the slices).
    """
    volume = stored.astype(np.float32, copy=False)
    if inverted:
        volume = volume.max() + volume.min() - volume
    if floating:
        volume = _whole_numbers(volume)
    volume = _without_border(volume)
    sample = volume[:, ::2, ::2]
    low, high, brightest = np.percentile(sample, (0.5, 99.5, 99.9))
    span = float(high - low) or float(volume.max() - low)
    if span <= 0:
        return ()
    bright = low + BRIGHT * span
    # Slice by slice, because a slice fits the processor's cache and a volume does not.
    edges = np.stack([(image > bright) & _steps(image, EDGE * span) for image in volume])
    rules = {
        "repeated": _places(edges & (volume >= brightest)) >= FEWEST,
        "exact": _has_exact_value(volume, edges, low),
        "still": _still(volume, edges) >= FEWEST,
    }
    return tuple(name for name, broken in rules.items() if broken)


def _whole_numbers(volume: np.ndarray) -> np.ndarray:
    low, high = float(volume.min()), float(volume.max())
    return np.rint((volume - low) * (_LEVELS / (high - low))) if high > low else volume


def _without_border(volume: np.ndarray) -> np.ndarray:
    """Cuts off blank slices and the blank frame around the image, whose edge is no drawing."""
    filled = volume > volume.min()
    plane = filled.any(axis=0)
    if not plane.any():
        return volume
    rows, columns = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
    kept = filled.reshape(len(volume), -1).any(axis=1)
    inside = volume[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inside if kept.all() else inside[kept]


def _steps(image: np.ndarray, height: float) -> np.ndarray:
    """Returns where a pixel exceeds one of its four neighbours by more than `height`."""
    found = np.zeros(image.shape, bool)
    # A transposed view lets one slicing serve both directions.
    for values, marks in ((image, found), (image.T, found.T)):
        rise = values[1:] - values[:-1]
        marks[1:] |= rise > height
        marks[:-1] |= rise < -height
    return found


def _places(marks: np.ndarray) -> int:
    """Returns at how many places of the slice a mark is set on most slices."""
    return int(np.count_nonzero(np.count_nonzero(marks, axis=0) >= OFTEN * len(marks)))


def _still(volume: np.ndarray, edges: np.ndarray) -> int:
    """Returns at how many edge places the value does not change over the slices."""
    places = np.count_nonzero(edges, axis=0) >= OFTEN * len(edges)
    return int(np.count_nonzero(volume[:, places].std(axis=0) < STILL))


def _has_exact_value(volume: np.ndarray, edges: np.ndarray, low: float) -> bool:
    """Tells whether one slice has a value that is too frequent at edges to be measured."""
    top = volume.max()
    for image, marks in zip(volume, edges, strict=True):
        values, counts = np.unique(image[marks], return_counts=True)
        if values.size and values[-1] == top:
            # Saturation piles values up at the maximum, but it fades into its surroundings.
            piled = image == top
            steep = np.count_nonzero(_steps(image, STEEP * (top - low)) & piled)
            outline = np.count_nonzero(_steps(image, 0.0) & piled)
            if steep >= max(FEWEST, ALL_STEEP * outline):
                return True
            counts = counts[:-1]
        if counts.size and np.any((counts >= FEWEST) & (counts > SPIKE * _next(counts))):
            return True
    return False


def _next(counts: np.ndarray) -> np.ndarray:
    """Returns the largest count among the `NEXT` values before and after each value."""
    padded = np.pad(counts, NEXT)
    around = [padded[i : i + counts.size] for i in range(2 * NEXT + 1) if i != NEXT]
    return np.max(around, axis=0)
