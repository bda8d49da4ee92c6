"""Distances to simple surfaces and smooth random fields, in mm.

Distances are positive inside. They are first-order exact near the surface, which is where a soft
edge needs them.
"""

import math

import numpy as np
from scipy import ndimage


def inside(distance: np.ndarray, width: float = 1.3) -> np.ndarray:
    """Returns the share of a voxel inside a surface: a ramp `width` mm wide centred on it."""
    return np.clip(distance / width + 0.5, 0.0, 1.0, dtype=np.float32)


def ellipsoid(point, center, radii, turn: float = 0.0) -> np.ndarray:
    """Returns the signed distance to an ellipsoid.

    Args:
        point: (z, y, x) arrays of one shape, mm.
        center, radii: (z, y, x) in mm.
        turn: Rotation about z in degrees, from x towards y.
    """
    z, y, x = (p - c for p, c in zip(point, center, strict=True))
    if turn:
        # Plain floats: a NumPy double would turn float32 arrays into float64.
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        x, y = x * cosine + y * sine, y * cosine - x * sine
    z, y, x = (np.float32(1 / r) * p for p, r in zip((z, y, x), radii, strict=True))
    level = np.sqrt(z * z + y * y + x * x) + np.float32(1e-3)
    # The gradient of the level set turns the normalised radius into millimetres.
    z, y, x = (np.float32(1 / r) * p for p, r in zip((z, y, x), radii, strict=True))
    slope = np.sqrt(z * z + y * y + x * x) + np.float32(1e-5)
    return (1 - level) * level / slope


def tube(point, stations, squash: float = 1.0) -> np.ndarray:
    """Returns the signed distance to a chain of tapered capsules.

    Args:
        point: (z, y, x) arrays, mm.
        stations: Rows of z, y, x, radius in mm along the centre line.
        squash: z is multiplied by it first, so a value below 1 makes the tube taller than wide.
    """
    z, y, x = point[0] * np.float32(squash), point[1], point[2]
    best = None
    for start, end in zip(stations[:-1], stations[1:], strict=True):
        a = np.array([start[0] * squash, start[1], start[2]], np.float32)
        b = np.array([end[0] * squash, end[1], end[2]], np.float32) - a
        dz, dy, dx = z - a[0], y - a[1], x - a[2]
        along = np.clip((dz * b[0] + dy * b[1] + dx * b[2]) / np.float32(b @ b), 0, 1)
        dz, dy, dx = dz - along * b[0], dy - along * b[1], dx - along * b[2]
        radius = np.float32(start[3]) + along * np.float32(end[3] - start[3])
        distance = radius - np.sqrt(dz * dz + dy * dy + dx * dx)
        best = distance if best is None else blend(best, distance, 2.0)
    return best


def blend(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Returns the union of two distances, its crease rounded over `width` mm."""
    overlap = np.maximum(np.float32(width) - np.abs(a - b), 0)
    return np.maximum(a, b) + overlap * overlap * np.float32(0.25 / width)


def wave_field(rng: np.random.Generator, axes, scale: float) -> np.ndarray:
    """Draws a smooth field of unit variance on a regular grid.

    Random weights of Gaussian bumps `scale` mm wide, which separate over the axes: three small
    matrix products however fine the grid is.

    Args:
        axes: Coordinates of the slices, rows and columns in mm, 1-D each.

    Returns:
        float32 [len(axes[0]), len(axes[1]), len(axes[2])].
    """
    knots = np.arange(-150, 151, scale)
    field = rng.standard_normal((knots.size,) * 3, dtype=np.float32)
    for axis in axes:
        bumps = np.exp(-0.5 * ((np.asarray(axis)[:, None] - knots) / (0.8 * scale)) ** 2)
        bumps = (bumps / np.sqrt((bumps**2).sum(axis=1, keepdims=True))).astype(np.float32)
        # Contracting the first axis and appending the new one brings z, y, x back in order.
        field = np.tensordot(field, bumps, axes=([0], [1]))
    return field


class BandField:
    """A random field of one dominant wavelength that can be read at any point.

    A difference of Gaussians of white noise: its zero set is a labyrinth of sheets about half a
    wavelength apart, which is what sulci look like.
    """

    STEP = 2.5
    HALF = 110.0

    def __init__(self, rng: np.random.Generator, wavelength: float):
        noise = rng.standard_normal((int(2 * self.HALF / self.STEP) + 1,) * 3).astype(np.float32)
        # A pass band between sigma and 1.6 sigma peaks at wavelength 5.7 sigma.
        sigma = wavelength / 5.7 / self.STEP
        band = ndimage.gaussian_filter(noise, sigma) - ndimage.gaussian_filter(noise, 1.6 * sigma)
        self._field = band / band.std()

    def __call__(self, point) -> np.ndarray:
        """Returns the field at (z, y, x) in mm, linearly interpolated, float32."""
        index = np.stack([(p + np.float32(self.HALF)) / np.float32(self.STEP) for p in point])
        return ndimage.map_coordinates(self._field, index, order=1, mode="reflect")
