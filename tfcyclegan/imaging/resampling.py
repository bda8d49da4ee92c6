"""In-plane resampling, onto a grid and back, by weights that reproduce straight lines exactly.

Going down, a triangle as wide as an output pixel's two neighbours suppresses aliases; going up it
is bilinear interpolation. The weights of each pixel are then tilted so that their centre of mass is
the pixel's own position: without that, a ramp comes out with ripples of up to a percent of a pixel.
"""

import functools

import cv2
import numpy as np
from scipy import sparse

from tfcyclegan.data.records import SIZE
from tfcyclegan.imaging.geometry import Grid, Placement

_ROUNDING = 1e-6
"""Source pixels by which a position may lie outside for no reason but floating point."""
_HEADER_ROUNDING = 2e-3
"""Source pixels by which a pixel may miss its twin because headers round to 1e-4 mm."""


@functools.lru_cache(maxsize=64)
def axis_weights(
    length: int, start: float, step: float, count: int = SIZE
) -> tuple[sparse.csr_matrix, int, int]:
    """Returns the weights of one axis, and the output pixels that lie inside the source.

    Args:
        length: Source pixels.
        start: Source index of the centre of the first output pixel.
        step: Source pixels per output pixel.
        count: Output pixels.

    Returns:
        (weights [count, length] float32, first output pixel inside, number of them). Rows of pixels
        outside are zero; inside, each row adds up to 1.
    """
    centres = start + step * np.arange(count)
    radius = max(step, 1.0)
    offsets = np.arange(int(np.ceil(2 * radius)) + 2)
    index = np.floor(centres - radius)[:, None] + offsets
    distance = index - centres[:, None]
    weights = np.maximum(0.0, 1.0 - np.abs(distance) / radius)
    weights /= weights.sum(axis=1, keepdims=True)
    weights = _balanced(weights, distance)
    inside = (centres >= -0.5 - _ROUNDING) & (centres <= length - 0.5 + _ROUNDING)
    weights[~inside] = 0.0
    # Beyond its border a source continues with its outermost pixel.
    columns = np.clip(index, 0, length - 1).astype(int)
    rows = np.broadcast_to(np.arange(count)[:, None], columns.shape)
    matrix = sparse.coo_matrix((weights.ravel(), (rows.ravel(), columns.ravel())), (count, length))
    matrix = matrix.tocsr().astype(np.float32)
    matrix.eliminate_zeros()
    hits = np.flatnonzero(inside)
    return matrix, (int(hits[0]) if hits.size else 0), int(hits.size)


def _balanced(weights: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Tilts each row of weights so that its mean distance from the centre is zero."""
    mean = (weights * distance).sum(axis=1, keepdims=True)
    variance = (weights * distance**2).sum(axis=1, keepdims=True) - mean**2
    tilt = np.where(variance > 1e-9, -mean / np.maximum(variance, 1e-9), 0.0)
    return weights * (1.0 + tilt * (distance - mean))


def resample(
    image: np.ndarray, placement: Placement, grid: Grid
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Resamples a slice onto a grid.

    Args:
        image: float32 [height, width] in canonical display, any unit.
        placement: Where it lies.
        grid: A grid that the placement fits.

    Returns:
        (float32 [SIZE, SIZE] with 0 outside the source, content box as y0, x0, height, width).
    """
    row, row_step, column, column_step = grid.start_and_step(placement)
    down, y0, height = axis_weights(image.shape[0], *_snapped(row, row_step))
    across, x0, width = axis_weights(image.shape[1], *_snapped(column, column_step))
    # OpenCV transposes in tiles; a strided copy of NumPy's takes as long as the products.
    half = cv2.transpose(down @ image)
    return cv2.transpose(across @ half), (y0, x0, height, width)


def back(image: np.ndarray, placement: Placement, grid: Grid) -> np.ndarray:
    """Resamples an image on a grid onto the pixels of a slice: the inverse of `resample`.

    Args:
        image: float32 [n, n], any unit; n pixels cover the `SIZE` pixels of the grid.
        placement: Where the slice lies.
        grid: A grid that the placement fits.

    Returns:
        float32 [height, width] in canonical display, 0 outside the grid.
    """
    row, row_step, column, column_step = grid.start_and_step(placement)
    down = _back_weights(len(image), placement.height, *_snapped(row, row_step))
    across = _back_weights(len(image), placement.width, *_snapped(column, column_step))
    half = cv2.transpose(down @ image)
    return cv2.transpose(across @ half)


def _back_weights(length: int, count: int, start: float, step: float) -> sparse.csr_matrix:
    """Returns the weights [count, length] of an axis; start and step lead from grid to slice."""
    share = length / SIZE
    # Pixel centres lie half a pixel from the border, whatever the size of the pixels.
    first_index = (0.5 - start / step) * share - 0.5
    # Rounded, so that slices of one series share their cached weights.
    return axis_weights(length, round(first_index, 6), round(share / step, 9), count)[0]


def nearest(mask: np.ndarray, placement: Placement, grid: Grid) -> np.ndarray:
    """Resamples a mask onto a grid, without mixing voxels.

    Args:
        mask: bool [height, width] in canonical display.
        placement: Where it lies.
        grid: A grid that the placement fits.

    Returns:
        bool [SIZE, SIZE], False outside the source.
    """
    row, row_step, column, column_step = grid.start_and_step(placement)
    padded = np.pad(mask, 1)
    down = _nearest_index(mask.shape[0], *_snapped(row, row_step))
    across = _nearest_index(mask.shape[1], *_snapped(column, column_step))
    return padded[np.ix_(down, across)]


def _nearest_index(length: int, start: float, step: float) -> np.ndarray:
    """Returns the source index of each output pixel, counted from a border of one."""
    index = np.floor(start + step * np.arange(SIZE) + 0.5).astype(int)
    return np.clip(index, -1, length) + 1


def _snapped(start: float, step: float) -> tuple[float, float]:
    """Returns whole pixels where only the header's rounding keeps the grids apart.

    Otherwise an image that has the grid's pixels already would be blurred by a thousandth of one.
    """
    end = start + step * (SIZE - 1)
    whole_start = round(start)
    if max(abs(start - whole_start), abs(end - whole_start - (SIZE - 1))) < _HEADER_ROUNDING:
        return float(whole_start), 1.0
    # To 1e-6 pixel, so that slices of one series share their cached weights.
    return round(start, 6), round(step, 9)
