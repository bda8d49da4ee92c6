"""Where pixels are in the patient: canonical display, planes, and the study grid.

Coordinates are the patient's (PS3.3, C.7.6.2.1.1): x to the left, y to the back, z to the head, in
mm. The canonical display is the radiologist's: rows run A->P and columns R->L for an axial image,
S->I and R->L for a coronal one, S->I and A->P for a sagittal one. It follows from
ImageOrientationPatient alone.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

from tfcyclegan.data.records import SIZE

OBLIQUE_COSINE = 0.9
"""A normal within 25.8 degrees of an axis gives its plane the axis' name."""
SAME_AXES = 1e-3
"""Largest difference of direction cosines within one plane: 0.1 mm at the rim of a head."""

_LEFT, _BACK, _FOOT = np.eye(3)[0], np.eye(3)[1], -np.eye(3)[2]
_DISPLAY = {
    0: ("sagittal", _BACK, _FOOT),
    1: ("coronal", _LEFT, _FOOT),
    2: ("axial", _LEFT, _BACK),
}
"""Axis of the normal to (plane, direction of columns, direction of rows) of the display."""


@dataclasses.dataclass(frozen=True, eq=False)
class Axes:
    """How a stored image is turned into its canonical display.

    Attributes:
        x: Unit vector [3] along which the display's column index grows.
        y: Unit vector [3] along which its row index grows.
        normal: cross(x, y); slices are counted along it.
        plane: Of records.PLANES.
        transpose: Whether rows and columns are swapped, before any flip.
        flip_x: Whether columns are then reversed.
        flip_y: Whether rows are then reversed.
    """

    x: np.ndarray
    y: np.ndarray
    normal: np.ndarray
    plane: str
    transpose: bool
    flip_x: bool
    flip_y: bool

    def display(self, image: np.ndarray) -> np.ndarray:
        """Returns an image [rows, columns] as stored in canonical display; a view."""
        image = image.T if self.transpose else image
        return image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def stored(self, image: np.ndarray) -> np.ndarray:
        """Returns an image [height, width] in canonical display as it is stored; a view."""
        image = image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return image.T if self.transpose else image


def display_of(plane: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the directions [3] of rows and columns of a plane's canonical display."""
    return next((x, y) for name, x, y in _DISPLAY.values() if name == plane)


@functools.lru_cache(maxsize=1024)
def canonical_axes(orientation: tuple[float, ...]) -> Axes:
    """Returns the canonical display of images with this ImageOrientationPatient (6 cosines)."""
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(along_row, along_column)
    plane, target_x, target_y = _DISPLAY[int(np.argmax(np.abs(normal)))]
    if np.abs(normal).max() < OBLIQUE_COSINE:
        plane = "oblique"
    as_stored = abs(along_row @ target_x) + abs(along_column @ target_y)
    swapped = abs(along_row @ target_y) + abs(along_column @ target_x)
    transpose = bool(swapped > as_stored)
    x, y = (along_column, along_row) if transpose else (along_row, along_column)
    flip_x, flip_y = bool(x @ target_x < 0), bool(y @ target_y < 0)
    x, y = (-x if flip_x else x), (-y if flip_y else y)
    return Axes(x, y, np.cross(x, y), plane, transpose, flip_x, flip_y)


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """Where one slice's display lies.

    Attributes:
        axes: Of its display.
        origin: Centre of the display's first pixel, mm [3].
        height, width: Of the display, in pixels.
        dy, dx: Spacing of the display's rows and columns, mm.
    """

    axes: Axes
    origin: np.ndarray
    height: int
    width: int
    dy: float
    dx: float

    @property
    def centre(self) -> np.ndarray:
        """Centre of the field of view, mm [3]."""
        across = self.axes.x * self.dx * (self.width - 1) / 2
        down = self.axes.y * self.dy * (self.height - 1) / 2
        return self.origin + across + down

    @property
    def field_of_view(self) -> float:
        """The longer side of the image, mm."""
        return max(self.height * self.dy, self.width * self.dx)


def place(
    position: tuple[float, ...],
    orientation: tuple[float, ...],
    spacing: tuple[float, ...],
    rows: int,
    columns: int,
) -> Placement:
    """Places a slice, given its DICOM geometry.

    Args:
        position: ImagePositionPatient, mm.
        orientation: ImageOrientationPatient.
        spacing: PixelSpacing: between rows, between columns, mm.
        rows: Rows.
        columns: Columns.
    """
    axes = canonical_axes(orientation)
    height, width = (columns, rows) if axes.transpose else (rows, columns)
    dy, dx = (spacing[1], spacing[0]) if axes.transpose else (spacing[0], spacing[1])
    # The stored first pixel is a corner of the display, but after a flip not its first one.
    origin = np.array(position, float)
    if axes.flip_x:
        origin = origin - axes.x * dx * (width - 1)
    if axes.flip_y:
        origin = origin - axes.y * dy * (height - 1)
    return Placement(axes, origin, height, width, dy, dx)


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """The in-plane pixels that series of one study and plane are resampled onto.

    Attributes:
        x, y, normal: Unit vectors [3] of the display.
        u, v: Centre of the grid along x and y, mm.
        spacing: mm per pixel, the same along x and y.
    """

    x: np.ndarray
    y: np.ndarray
    normal: np.ndarray
    u: float
    v: float
    spacing: float

    def fits(self, placement: Placement) -> bool:
        """Tells whether a slice lies in the grid's plane and along its axes."""
        axes = placement.axes
        difference = np.abs(np.concatenate([self.x - axes.x, self.y - axes.y])).max()
        return bool(difference <= SAME_AXES)

    def depth(self, placement: Placement) -> float:
        """Returns a slice's position along the normal, mm, from the frame of reference's origin."""
        return float(placement.centre @ self.normal)

    def start_and_step(self, placement: Placement) -> tuple[float, float, float, float]:
        """Returns the source index of the grid's first pixel, and the step, along y and along x."""
        half = self.spacing * (SIZE - 1) / 2
        row = (self.v - half - placement.origin @ self.y) / placement.dy
        column = (self.u - half - placement.origin @ self.x) / placement.dx
        return row, self.spacing / placement.dy, column, self.spacing / placement.dx


def grid_of(placement: Placement, *, spacing: float | None = None) -> Grid:
    """Returns the grid that shows a whole slice, centred.

    Args:
        placement: Of the series with the largest field of view.
        spacing: mm per pixel; None fits the longer side into `SIZE` pixels.
    """
    axes, centre = placement.axes, placement.centre
    u, v = centre @ axes.x, centre @ axes.y
    if spacing is None:
        return Grid(axes.x, axes.y, axes.normal, u, v, placement.field_of_view / SIZE)
    # The centre of an odd number of pixels is a pixel; the grid's is between two, as SIZE is even.
    # Half a pixel further on, a grid of the same spacing has the very pixels of the series.
    u += _half_pixel(placement.width, placement.dx, spacing)
    v += _half_pixel(placement.height, placement.dy, spacing)
    return Grid(axes.x, axes.y, axes.normal, u, v, spacing)


def _half_pixel(count: int, source: float, spacing: float) -> float:
    return spacing / 2 if count % 2 and abs(source - spacing) < 1e-6 else 0.0


def study_grids(placements: Sequence[Placement], *, spacing: float | None = None) -> list[Grid]:
    """Returns one grid per placement, the same object for those that share a plane.

    Args:
        placements: One per series of a study and frame of reference, in an order that depends on
            nothing but the data, because it settles ties.
        spacing: mm per pixel; None fits the largest field of view into `SIZE` pixels.
    """
    grids: list[Grid] = []
    # The largest field of view comes first and founds the grid that the others join.
    for placement in sorted(placements, key=lambda p: -p.field_of_view):
        if not any(grid.fits(placement) for grid in grids):
            grids.append(grid_of(placement, spacing=spacing))
    return [next(grid for grid in grids if grid.fits(placement)) for placement in placements]


def gaps(depths: Sequence[float], *, tolerance: float) -> tuple[float, bool]:
    """Returns the median distance of neighbouring slices, mm, and whether it varies.

    Args:
        depths: Positions along the normal, ascending, mm.
        tolerance: Largest deviation from the median that is no gap, as a share of it.
    """
    steps = np.diff(depths)
    if steps.size == 0:
        return math.nan, False
    median = float(np.median(steps))
    return median, bool(np.any(np.abs(steps - median) > tolerance * median))
