"""The head itself: skull, cortex, ventricles, nuclei, lesions, painted as tissue fractions.

Lengths in mm from the point midway between the commissures; z to the head, y to posterior, x to
the left. Sizes and positions follow an adult atlas roughly (Talairach and Tournoux, Co-Planar
Stereotaxic Atlas of the Human Brain, 1988); this is a phantom, not an atlas.
"""

import dataclasses

import numpy as np

from tfcyclegan.imaging.phantom import brain, shapes, skull
from tfcyclegan.imaging.phantom.anatomy import Canvas, Grid, Traits
from tfcyclegan.imaging.phantom.shapes import ellipsoid, inside, tube
from tfcyclegan.imaging.phantom.tissues import BRAIN


@dataclasses.dataclass(frozen=True)
class Head:
    """One simulated head.

    Attributes:
        fractions: Tissue name to its share of each voxel, float32 [slices, rows, columns].
        lesions, ventricles, brain: Truth masks, bool, at least half of the voxel.
    """

    traits: Traits
    fractions: dict[str, np.ndarray]
    lesions: np.ndarray
    ventricles: np.ndarray
    brain: np.ndarray


def simulate(grid: Grid, rng: np.random.Generator) -> Head:
    """Draws a patient and returns the head on the slices of `grid`."""
    traits = Traits.draw(rng)
    canvas = Canvas(grid, traits, rng)
    cavity = skull.cavity(canvas)
    skin = skull.paint_shell(canvas, traits, cavity, rng)
    skull.paint_face(canvas, cavity, skin)
    brain.paint_cerebrum(canvas, traits, cavity, rng)
    brain.paint_hindbrain(canvas, rng)
    _paint_nuclei(canvas)
    ventricle = _paint_ventricles(canvas, traits)
    _paint_lesions(canvas, traits, ventricle, rng)
    fractions = canvas.collapse(grid)
    return Head(
        traits,
        fractions,
        lesions=fractions["lesion"] >= 0.5,
        ventricles=fractions["ventricle"] >= 0.5,
        brain=sum(fractions[name] for name in BRAIN) >= 0.5,
    )


def _paint_nuclei(canvas: Canvas) -> None:
    """Thalamus, caudate, putamen and pallidum, mirrored."""
    box = canvas.near((-22, -45, -45), (38, 40, 45))
    z, y, x = canvas.within(box)
    side = z, y, np.abs(x)
    thalamus = ellipsoid(side, (7, 10, 11), (9, 15, 8.5), turn=28)
    caudate = tube(side, [(4, -24, 12, 6.5), (14, -14, 14, 5), (23, 10, 19, 3), (16, 30, 25, 2)])
    putamen = ellipsoid(side, (3, -3, 26.5), (11, 17, 5), turn=14)
    pallidum = ellipsoid(side, (0, 0, 20), (7, 9, 4), turn=26)
    for tissue, distance in (
        ("thalamus", thalamus),
        ("striatum", np.maximum(caudate, putamen)),
        ("pallidum", pallidum),
    ):
        canvas.paint(tissue, inside(distance, 1.8), box)


def _paint_ventricles(canvas: Canvas, traits: Traits) -> np.ndarray:
    """Lateral, third and fourth ventricles; returns the distance to the lateral ones, mm."""
    box = canvas.near((-45, -52, -45), (38, 78, 45))
    z, y, x = point = canvas.within(box)
    side = z, y, np.abs(x)
    grow = traits.ventricles * (1 + traits.asymmetry * np.tanh(x / 8))
    body = [(7, -37, 13, 2.0), (9, -24, 8.5, 3.6), (13, -8, 7, 3.4), (20, 10, 10, 3.4)]
    body += [(17, 28, 18, 4.2), (9, 40, 24, 5.2), (4, 64, 23, 1.6)]
    horn = [(5, 39, 26, 4.0), (-8, 26, 32, 2.2), (-17, 4, 32, 1.8), (-20, -8, 28, 2.0)]
    lateral = np.maximum(tube(side, body, squash=0.62), tube(side, horn))
    lateral = lateral + np.float32(3.2) * (grow - 1).astype(np.float32)
    # The septum pellucidum keeps the two apart.
    lateral = np.minimum(lateral, np.abs(x) - 0.8)
    third = ellipsoid(point, (0, 1, 0), (10, 15, 2.0)) + 0.9 * (traits.ventricles - 1)
    fourth = ellipsoid(point, (-33, 34, 0), (11, 5, 7)) + 0.7 * (traits.ventricles - 1)
    duct = tube(point, [(-6, 15, 0, 0.8), (-24, 30, 0, 0.8)])
    quadrigeminal = ellipsoid(point, (-3, 29, 0), (5, 2.5, 8))
    canvas.paint("csf", inside(quadrigeminal, 2.0), box)
    for distance in (lateral, third, fourth, duct):
        canvas.paint("ventricle", inside(distance), box)
    everywhere = np.full_like(canvas.point[0], -100.0)
    everywhere[box] = lateral
    return everywhere


def _paint_lesions(canvas: Canvas, traits: Traits, ventricle: np.ndarray, rng) -> None:
    """Blobs in white matter, half of them along the ventricles, and a thin halo there."""
    halo = np.clip(1 + ventricle / np.float32(2.5), 0, 1) * (ventricle < 0)
    canvas.paint("lesion", np.float32(0.25) * halo * canvas.fraction["white"])
    eligible = np.flatnonzero((canvas.fraction["white"] > 0.7) & (canvas.point[0] > -15))
    distance = ventricle.reshape(-1)[eligible].astype(np.float64)
    along = np.cumsum(np.exp(np.minimum(distance, 0) / 4.0))
    ragged = shapes.wave_field(rng, canvas.axes, 5.0)
    for number in range(traits.lesions):
        periventricular = number % 2 == 1
        if periventricular:
            seed = eligible[np.searchsorted(along, rng.uniform() * along[-1])]
        else:
            seed = eligible[rng.integers(eligible.size)]
        center = [float(p.reshape(-1)[seed]) for p in canvas.point]
        size = min(float(rng.lognormal(np.log(2.6), 0.45)), 6.5)
        radii = size * (1.25 if periventricular else 0.9) * rng.uniform(0.75, 1.35, 3)
        turn = rng.uniform(0, 180)
        margin = radii.max() + 3
        box = canvas.near([c - margin for c in center], [c + margin for c in center])
        shape = ellipsoid(canvas.within(box), center, radii, turn) + 0.5 * ragged[box]
        share = np.clip(np.float32(1.15) * canvas.fraction["white"][box], 0, 0.95)
        canvas.paint("lesion", share * inside(shape, 2.4), box)
