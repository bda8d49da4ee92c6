"""Where the series of a study become records: common pixels and a common zero of height."""

import dataclasses
import math
from collections.abc import Sequence

from tfcyclegan.imaging import geometry, reformat
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.geometry import Grid, Placement
from tfcyclegan.imaging.reformat import Lattice
from tfcyclegan.imaging.volumes import Volume
from tfcyclegan.privacy.pseudonyms import Pseudonyms


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """Where one volume becomes records.

    Attributes:
        grid: In-plane pixels.
        grid_id: Keyed digest of the grid.
        base_depth: Position of the lowest slice of the study's frame of reference and plane, mm.
        target: Voxels of the volume's slices in the wanted plane; None if it was acquired in it.
    """

    grid: Grid
    grid_id: str
    base_depth: float
    target: Lattice | None


def placement_of(frame: Frame) -> Placement:
    """Returns where a frame's canonical display lies in the patient."""
    layout = frame.layout
    return geometry.place(
        frame.position, frame.orientation, frame.spacing, layout.rows, layout.columns
    )


def target_of(volume: Volume, plane: str) -> Lattice | None:
    """Returns the voxels of a 3D volume as slices of another plane, or None where it has none."""
    if volume.physics.acq_dim == "2d":
        return None
    source = reformat.lattice_of([placement_of(frame) for frame in volume.frames])
    return None if source is None else reformat.turned(source, plane)


def sites(
    parts: Sequence[tuple[Volume, Lattice | None]],
    pseudonyms: Pseudonyms,
    *,
    fixed_spacing: float | None,
) -> list[Site]:
    """Returns one site per volume of a study and frame of reference.

    Args:
        parts: (volume, its voxels in the wanted plane or None), in an order that depends on nothing
            but the data.
        pseudonyms: Make the ids of grids.
        fixed_spacing: mm per pixel, or None.
    """
    targets = _aligned(parts)
    frames = [
        target.frames(volume.first) if target else volume.frames
        for (volume, _), target in zip(parts, targets, strict=True)
    ]
    placements = [[placement_of(frame) for frame in members] for members in frames]
    grids = geometry.study_grids([members[0] for members in placements], spacing=fixed_spacing)
    base: dict[int, float] = {}
    for members, grid in zip(placements, grids, strict=True):
        lowest = min(map(grid.depth, members))
        base[id(grid)] = min(lowest, base.get(id(grid), math.inf))
    return [
        Site(grid, _grid_id(volume.first, grid, pseudonyms), base[id(grid)], target)
        for (volume, _), grid, target in zip(parts, grids, targets, strict=True)
    ]


def _aligned(parts: Sequence[tuple[Volume, Lattice | None]]) -> list[Lattice | None]:
    """Turns the reformatted volumes onto the axes of an acquired one, so that their pixels agree.

    Without an acquired one, the reformatted one with the largest field of view leads.
    """
    acquired = [placement_of(volume.first) for volume, target in parts if target is None]
    turned = [placement_of(t.frames(volume.first)[0]) for volume, t in parts if t is not None]
    if not turned:
        return [None] * len(parts)
    leader = max(acquired or turned, key=lambda placement: placement.field_of_view)
    return [target and reformat.along(target, leader.axes) for _, target in parts]


def _grid_id(first: Frame, grid: Grid, pseudonyms: Pseudonyms) -> str:
    numbers = [*grid.x, *grid.y, grid.u, grid.v, grid.spacing]
    text = ",".join(f"{number:.6f}" for number in numbers)
    return pseudonyms.of("grid", f"{first.study}|{first.frame_of_ref}|{text}".encode())
