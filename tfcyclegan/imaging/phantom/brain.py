"""Cerebrum with its folds, cerebellum and brain stem, painted into the cranial cavity.

Lengths in mm, axes as in head.py.
"""

import numpy as np

from tfcyclegan.imaging.phantom import shapes
from tfcyclegan.imaging.phantom.anatomy import Canvas, Traits
from tfcyclegan.imaging.phantom.shapes import blend, ellipsoid, inside, tube

CORTEX = 2.7
"""Thickness of the cortex."""


def paint_cerebrum(canvas: Canvas, traits: Traits, cavity, rng) -> None:
    """CSF, cortex folded along sulci, fissures, and the white matter they leave."""
    canvas.paint("csf", inside(cavity - 0.8))
    hull = cavity - np.float32(2.0 + 1.8 * traits.sulci)
    sway = shapes.wave_field(rng, canvas.axes, 16.0)
    gap = np.minimum(
        _sulci(canvas, traits, hull, rng), _fissures(canvas.point, traits, np.float32(0.8) * sway)
    )
    above = -_below_tentorium(canvas.point)
    pia = np.minimum(np.minimum(hull, gap), above)
    canvas.paint("gray", inside(pia))
    # Cortex and white matter grade into each other over more than a voxel.
    canvas.paint("white", inside(pia - CORTEX, 2.2))
    falx = np.abs(canvas.point[2] + np.float32(0.8) * sway)
    bridge = ellipsoid((canvas.point[0], canvas.point[1], 0 * falx), (2, 3, 0), (36, 58, 1e3))
    falx = np.minimum(np.minimum(0.4 - falx, -bridge), above)
    canvas.paint("bone", 0.6 * inside(falx) * inside(cavity))


def _below_tentorium(point) -> np.ndarray:
    """Signed distance to the room of hindbrain and basal cisterns, which is not cerebrum."""
    z, y, x = point
    lateral = np.abs(x)
    # The tent slopes backwards and sideways from its apex; in front the petrous ridges end it.
    tent = -5 - np.float32(0.20) * (y - 28) - np.float32(0.45) * lateral - z
    fossa = np.minimum(tent, np.float32(0.9) * (y + 4 - np.float32(0.5) * lateral))
    cistern = ellipsoid(point, (-20, 5, 0), (12, 18, 15))
    return blend(fossa, cistern, 4.0)


def _sulci(canvas: Canvas, traits: Traits, hull: np.ndarray, rng) -> np.ndarray:
    """Distance to the nearest sulcus, positive in tissue."""
    z, y, x = canvas.point
    # Points are pulled to a shell so that sulci run inwards from the surface as sheets.
    radius = np.sqrt((z / 69) ** 2 + (y / 85) ** 2 + (x / 67) ** 2) + np.float32(1e-3)
    pull = np.clip(radius, 0.35, 1.2) ** np.float32(-0.7)
    field = shapes.BandField(rng, 28.0)((z * pull, y * pull, x * pull))
    slope = np.sqrt(sum(g * g for g in np.gradient(field, *canvas.steps())))
    # Level sets beyond the zero set fill the gaps a random zero set leaves.
    level = np.float32(1.7)
    sheet = np.abs(field - level * np.rint(field / level)) / (slope + np.float32(0.02))
    depth = 20 + 5 * shapes.wave_field(rng, canvas.axes, 25.0)
    beyond = np.maximum(hull - depth, 0)
    # Sulci close towards the fundus.
    width = np.float32(traits.sulci) * np.clip(1.3 - 0.6 * hull / depth, 0.2, 1.3)
    return np.sqrt(sheet * sheet + beyond * beyond) - width


def _fissures(point, traits: Traits, sway) -> np.ndarray:
    """Distance to the interhemispheric and Sylvian fissures, positive in tissue.

    `sway`, in mm, bends the midline and varies its width.
    """
    z, y, x = point
    # The corpus callosum and what lies under it join the hemispheres.
    bridge = np.maximum(ellipsoid((z, y, 0 * x), (2, 3, 0), (25, 43, 1e3)), 0)
    between = np.sqrt((x + sway) ** 2 + bridge * bridge)
    between = between - np.float32(0.2 + 0.8 * traits.sulci) * (1 + np.float32(0.4) * sway)
    lateral = np.abs(x)
    height = np.float32(0.76) * (z + 2) - np.float32(0.60) * (y + 8) + 3 * sway
    height = height + np.float32(0.25) * (lateral - 48)  # opens backwards and outwards
    cleft = np.maximum(37 - lateral, 0)
    ends = np.maximum(np.maximum(-28 - y, y - 20), 0)
    sylvian = np.sqrt(height**2 + cleft**2 + ends**2)
    island = np.maximum(np.maximum(np.maximum(-24 - y, y - 14), np.abs(z - 2) - 13), 0)
    insula = np.sqrt((lateral - 39 + np.float32(0.01) * (y + 4) ** 2 + 2 * sway) ** 2 + island**2)
    return np.minimum(between, np.minimum(sylvian, insula) - np.float32(0.6 + traits.sulci))


def paint_hindbrain(canvas: Canvas, rng) -> None:
    """Cerebellum with folia, and the brain stem."""
    box = canvas.near((-90, -25, -58), (10, 95, 58))
    z, y, x = point = canvas.within(box)
    side = z, y, np.abs(x)
    lobes = ellipsoid(side, (-33, 53, 22), (24, 33, 27), turn=-20)
    lobes = blend(lobes, ellipsoid(point, (-28, 50, 0), (22, 28, 14)), 4.0)
    below = _below_tentorium(point)
    share = inside(lobes) * inside(below, 2.0)
    canvas.paint("gray", share, box)
    core = ellipsoid(side, (-36, 48, 17), (9, 17, 14), turn=-20)
    ripple = shapes.wave_field(rng, tuple(a[b] for a, b in zip(canvas.axes, box, strict=True)), 14)
    phase = lobes * np.float32(1.15) + ripple
    # Folia are finer than a voxel: the branches of white matter show as faint stripes.
    branch = np.clip(0.5 + 0.5 * np.sin(phase), 0, 1) * inside(lobes - 5, 6.0)
    canvas.paint("white", share * np.maximum(inside(core, 5.0), 0.45 * branch), box)
    canvas.paint("csf", 0.5 * share * inside(0.8 - np.abs(lobes - 3.5 - ripple), 2.0), box)
    stem = tube(point, [(-4, 8, 0, 11), (-14, 12, 0, 15), (-32, 16, 0, 15), (-46, 26, 0, 10)])
    stem = blend(stem, tube(point, [(-46, 26, 0, 9), (-80, 36, 0, 7.5)]), 3.0)
    arms = tube(side, [(-30, 22, 10, 7), (-34, 42, 18, 7)])  # middle cerebellar peduncles
    canvas.paint("stem", inside(blend(stem, arms, 4.0)), box)
