"""Slices of another plane from an isotropic 3D acquisition.

3D T2 and FLAIR are mostly acquired sagittal, 2D ones axial. An evenly spaced stack of slices is a
lattice of voxels; a lattice with other axes about the same centre is sampled from it trilinearly.
Where the axes are the same but for their order and sign, the voxels are too, and nothing is
interpolated.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from tfcyclegan.imaging import geometry
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.geometry import Placement

ISOTROPIC = 1.25
"""Largest ratio of a voxel's sides that still makes slices in any plane."""
_EVEN = 0.01
"""Largest deviation of a slice from its place in an even stack, as a share of the distance."""
_ROUNDING = 6
"""Decimals of a voxel index: what is beyond them is floating point, not geometry."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lattice:
    """Voxels of an even stack.

    Attributes:
        axes: Unit vectors as rows [3, 3]: along a display's rows, along its columns, and from slice
            to slice; the last is the cross product of the others.
        origin: Centre of the first voxel, mm [3].
        steps: Distance of voxels along each axis, mm [3].
        counts: Voxels along each axis [3].
    """

    axes: np.ndarray
    origin: np.ndarray
    steps: np.ndarray
    counts: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Centre of the lattice, mm [3]."""
        return self.origin + (self.steps * (self.counts - 1) / 2) @ self.axes

    @property
    def slices(self) -> int:
        """Number of slices."""
        return int(self.counts[2])

    @property
    def orientation(self) -> tuple[float, ...]:
        """ImageOrientationPatient of its slices."""
        return tuple(self.axes[:2].ravel().tolist())

    def position(self, index: int) -> tuple[float, ...]:
        """Returns ImagePositionPatient of a slice, mm."""
        return tuple((self.origin + self.axes[2] * self.steps[2] * index).tolist())

    def frames(self, like: Frame) -> list[Frame]:
        """Returns its slices as frames, everything but their geometry as in `like`."""
        columns, rows, slices = self.counts.tolist()
        layout = dataclasses.replace(like.layout, rows=rows, columns=columns)
        across, down, through = self.steps.tolist()
        return [
            dataclasses.replace(
                like,
                frame_index=index,
                position=self.position(index),
                orientation=self.orientation,
                spacing=(down, across),
                thickness=through,
                layout=layout,
            )
            for index in range(slices)
        ]


def lattice_of(placements: Sequence[Placement]) -> Lattice | None:
    """Returns the lattice of slices in ascending order; None if they are not evenly spaced."""
    first = placements[0]
    axes = np.stack([first.axes.x, first.axes.y, first.axes.normal])
    origins = np.stack([placement.origin for placement in placements])
    step = float((origins[-1] - origins[0]) @ axes[2]) / max(1, len(placements) - 1)
    even = origins[0] + np.arange(len(placements))[:, None] * step * axes[2]
    if step <= 0 or np.abs(origins - even).max() > _EVEN * step:
        return None
    counts = np.array([first.width, first.height, len(placements)])
    return Lattice(axes, origins[0], np.array([first.dx, first.dy, step]), counts)


def turned(source: Lattice, plane: str) -> Lattice | None:
    """Returns the same voxels as slices of `plane`.

    Returns:
        None if the voxels are not isotropic, or none of their faces lies in that plane.
    """
    if source.steps.max() > ISOTROPIC * source.steps.min():
        return None
    axes = []
    for target in geometry.display_of(plane):
        nearest = source.axes[np.argmax(np.abs(source.axes @ target))]
        axes.append(nearest if nearest @ target > 0 else -nearest)
    turned_axes = geometry.canonical_axes(tuple(np.concatenate(axes).tolist()))
    return along(source, turned_axes) if turned_axes.plane == plane else None


def along(source: Lattice, axes: geometry.Axes) -> Lattice:
    """Returns a lattice with other axes about the centre of `source`, of its size and steps."""
    rotated = np.stack([axes.x, axes.y, axes.normal])
    likeness = np.abs(rotated @ source.axes.T)
    order = list(max(itertools.permutations(range(3)), key=lambda o: likeness[range(3), o].sum()))
    steps, counts = source.steps[order], source.counts[order]
    origin = source.centre - (steps * (counts - 1) / 2) @ rotated
    return Lattice(rotated, origin, steps, counts)


def sample(
    volume: np.ndarray, source: Lattice, target: Lattice
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the slices of `target`.

    Args:
        volume: float32 [slices, rows, columns] on `source`, any unit.
        source: Where it lies.
        target: Wanted voxels.

    Yields:
        (float32 [rows, columns], True where a voxel lies outside `source`).
    """
    # From voxel (column, row, slice) of the target to that of the source: an affine map.
    matrix = (source.axes @ target.axes.T) * target.steps / source.steps[:, None]
    offset = (target.origin - source.origin) @ source.axes.T / source.steps
    columns, rows = np.meshgrid(np.arange(target.counts[0]), np.arange(target.counts[1]))
    upper_bound = source.counts[:, None, None] - 0.5
    for index in range(target.slices):
        voxels = np.stack([columns, rows, np.full_like(rows, index)])
        places = np.tensordot(matrix, voxels, 1) + offset[:, None, None]
        places = np.round(places, _ROUNDING)
        outside = ((places < -0.5) | (places > upper_bound)).any(axis=0)
        image = ndimage.map_coordinates(volume, places[::-1], order=1, mode="nearest")
        yield image.astype(np.float32, copy=False), outside
