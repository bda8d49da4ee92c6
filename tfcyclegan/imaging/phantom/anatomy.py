"""Where the slices lie, who the patient is, and the canvas that tissues are painted on."""

import dataclasses
import math

import numpy as np

from tfcyclegan.imaging.phantom import shapes
from tfcyclegan.imaging.phantom.tissues import TISSUES


@dataclasses.dataclass(frozen=True)
class Grid:
    """Axial slices through a head whose origin is midway between the commissures.

    Lengths in mm. The volume reaches from the cerebellum to just above the vertex, so the topmost
    slice or two are nearly empty, as in a real examination.
    """

    matrix: int
    slices: int
    field_of_view: float = 230.0
    lowest: float = -50.0
    highest: float = 85.0

    @property
    def pixel(self) -> float:
        return self.field_of_view / self.matrix

    @property
    def spacing(self) -> float:
        return (self.highest - self.lowest) / (self.slices - 1)

    @property
    def thickness(self) -> float:
        return min(5.5, 0.85 * self.spacing)

    @property
    def subslices(self) -> int:
        """Thin layers, near 1.8 mm, averaged into one slice for the partial volume along z."""
        return max(1, round(self.thickness / 1.8))

    def in_plane(self) -> np.ndarray:
        """Returns pixel centres along rows and along columns, [matrix]."""
        return (np.arange(self.matrix) - (self.matrix - 1) / 2) * self.pixel

    def positions(self) -> np.ndarray:
        """Returns slice centres, [slices], from feet to head."""
        return self.lowest + self.spacing * np.arange(self.slices)

    def layers(self) -> np.ndarray:
        """Returns centres of the thin layers, [slices * subslices]."""
        part = (np.arange(self.subslices) + 0.5) / self.subslices - 0.5
        return (self.positions()[:, None] + part * self.thickness).reshape(-1)


@dataclasses.dataclass(frozen=True)
class Traits:
    """What makes one head differ from another; lengths in mm, angles in degrees."""

    scale: tuple[float, float, float]  # z, y, x
    turn: float
    shift: tuple[float, float, float]
    ventricles: float  # 1 is a young adult's width
    asymmetry: float  # left ventricle wider where positive
    sulci: float  # half width of sulci
    skull: float
    fat: float
    lesions: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Traits":
        """Draws a patient. Ventricles, sulci and lesions grow together, as with age."""
        age = rng.uniform()
        return cls(
            scale=tuple(rng.uniform(0.93, 1.04) * rng.uniform(0.975, 1.025, 3)),
            turn=rng.uniform(-5, 5),
            shift=(rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(-5, 5)),
            ventricles=0.75 + 0.75 * age + rng.uniform(-0.1, 0.2),
            asymmetry=rng.uniform(-0.15, 0.15),
            sulci=0.25 + 0.65 * age + rng.uniform(-0.1, 0.1),
            skull=rng.uniform(5.0, 8.0),
            fat=rng.uniform(2.5, 6.0),
            lesions=int(3 + rng.gamma(1.2, 8.0 + 10.0 * age)),
        )


class Canvas:
    """Tissue fractions on the thin layers of a grid, painted from the outside in.

    Attributes:
        point: (z, y, x), the anatomical position of every voxel in mm, after the patient's size,
            pose and a smooth deformation; float32 [layers, rows, columns].
        fraction: Tissue name to its share of each voxel; the shares add up to 1.
    """

    def __init__(self, grid: Grid, traits: Traits, rng: np.random.Generator):
        axes = grid.layers(), grid.in_plane(), grid.in_plane()
        z, y, x = np.meshgrid(
            *((a - s).astype(np.float32) for a, s in zip(axes, traits.shift, strict=True)),
            indexing="ij",
        )
        cosine, sine = math.cos(math.radians(traits.turn)), math.sin(math.radians(traits.turn))
        posed = z, y * cosine - x * sine, x * cosine + y * sine
        self.point = tuple(
            p / np.float32(s) + np.float32(amplitude) * shapes.wave_field(rng, axes, 38.0)
            for p, s, amplitude in zip(posed, traits.scale, (1.5, 2.0, 1.6), strict=True)
        )
        self.axes = axes
        self.fraction = {"air": np.ones_like(self.point[0])}

    def near(self, low, high) -> tuple[slice, slice, slice]:
        """Returns a box of indices that holds all points within two corners (z, y, x), mm.

        Most structures are small: evaluating them in their box is what makes painting fast. The
        search looks at every eighth pixel and allows for what it skips.
        """
        skip = 8
        margin = skip * abs(self.axes[1][1] - self.axes[1][0]) * 1.2
        hit = np.ones(self.point[0][:, ::skip, ::skip].shape, bool)
        for p, a, b in zip(self.point, low, high, strict=True):
            coarse = p[:, ::skip, ::skip]
            hit &= (coarse >= a - margin) & (coarse <= b + margin)
        layers, rows, columns = (np.flatnonzero(hit.any(axis=o)) for o in ((1, 2), (0, 2), (0, 1)))
        if not layers.size:
            return (slice(0, 0),) * 3
        return (
            slice(layers[0], layers[-1] + 1),
            slice(rows[0] * skip, rows[-1] * skip + skip),
            slice(columns[0] * skip, columns[-1] * skip + skip),
        )

    def steps(self) -> tuple[np.ndarray, float, float]:
        """Returns what np.gradient wants: positions of the layers, and the pixel in mm."""
        pixel = float(self.axes[1][1] - self.axes[1][0])
        return self.axes[0].astype(np.float32), pixel, pixel

    def within(self, box) -> tuple[np.ndarray, ...]:
        """Returns `point` inside a box, as views."""
        return tuple(p[box] for p in self.point)

    def paint(self, tissue: str, share: np.ndarray, box=...) -> None:
        """Covers `share` of each voxel of `box` with `tissue`, over what is there already."""
        for fraction in self.fraction.values():
            fraction[box] *= 1 - share
        layer = self.fraction.setdefault(tissue, np.zeros_like(self.fraction["air"]))
        layer[box] += share

    def collapse(self, grid: Grid) -> dict[str, np.ndarray]:
        """Averages the thin layers: tissue name to float32 [slices, rows, columns]."""
        shape = (grid.slices, grid.subslices, grid.matrix, grid.matrix)
        empty = np.zeros((grid.slices, grid.matrix, grid.matrix), np.float32)
        return {
            name: self.fraction[name].reshape(shape).mean(axis=1)
            if name in self.fraction
            else empty
            for name in TISSUES
        }
