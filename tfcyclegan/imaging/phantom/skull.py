"""Skull, scalp and face: everything outside the cranial cavity.

Lengths in mm from the point midway between the commissures; z to the head, y to posterior, x to
the left, as in head.py.
"""

import numpy as np

from tfcyclegan.imaging.phantom import shapes
from tfcyclegan.imaging.phantom.anatomy import Canvas, Traits
from tfcyclegan.imaging.phantom.shapes import blend, ellipsoid, inside, tube


def _vault(point) -> np.ndarray:
    """Signed distance to the cranial vault: a squarish egg, wider behind, flat below."""
    z, y, x = point
    x = x * (1 - np.float32(0.0011) * (y - 10))  # the temples narrow towards the forehead
    z = np.where(z < 0, z * np.float32(1.75), z)  # below the commissures the skull base rises
    z, y, x = (z / 69) ** 2, ((y - 4) / 85) ** 2, (x / 66) ** 2
    level = np.sqrt(np.maximum(z + y + x - np.float32(0.25) * x * y, 1e-6))
    return (1 - level) * level / np.sqrt(z / 69**2 + y / 85**2 + x / 66**2 + np.float32(1e-10))


def cavity(canvas: Canvas) -> np.ndarray:
    """Signed distance to the inner table of the skull: vault, temporal and posterior fossae."""
    z, y, x = canvas.point
    temporal = ellipsoid((z, y, np.abs(x)), (-22, -10, 40), (23, 40, 25), turn=-12)
    posterior = ellipsoid(canvas.point, (-30, 46, 0), (32, 41, 50))
    foramen = tube(canvas.point, [(-20, 10, 0, 15), (-75, 34, 0, 12)])
    interior = blend(_vault(canvas.point), temporal, 8.0)
    return blend(blend(interior, posterior, 8.0), foramen, 8.0)


def paint_shell(canvas: Canvas, traits: Traits, cavity: np.ndarray, rng) -> np.ndarray:
    """Skin, fat, muscle and the three layers of bone; returns the distance to the skin."""
    z, y, x = canvas.point
    scalp = np.float32(traits.skull + traits.fat + 2.0)
    jaw = ellipsoid((z, y, x), (-62, -16, 0), (66, 80, 66))
    nape = ellipsoid((z, y, x), (-75, 36, 0), (50, 46, 52))
    nose = ellipsoid((z, y, x), (-56, -94, 0), (22, 16, 13))
    ears = ellipsoid((z, y, np.abs(x)), (-28, 18, 70), (24, 13, 7), turn=25)
    head = blend(blend(cavity + scalp, jaw, 20.0), nape, 14.0)
    head = blend(blend(head, nose, 6.0), ears, 5.0)
    canvas.paint("skin", inside(head))
    canvas.paint("fat", inside(head - 2.0))
    # Cheeks and nape carry more fat than the scalp.
    muscle = head - (2.0 + np.float32(traits.fat) * (1 + np.clip((-20 - z) / 40, 0, 1.5)))
    canvas.paint("muscle", inside(muscle))
    planes = shapes.wave_field(rng, canvas.axes, 5.0) + 0.15 * np.abs(z + 40) / 40
    canvas.paint("fat", 0.8 * inside(1.5 * planes - 1.2, 1.0) * inside(muscle - 2))
    canvas.paint("bone", inside(cavity + np.float32(traits.skull), 1.6))
    # The diploe holds marrow: a faint bright line inside the dark skull, best seen near the vertex.
    depth = np.abs(cavity + np.float32(0.5 * traits.skull))
    canvas.paint("marrow", 0.35 * inside(0.14 * traits.skull - depth) * np.clip(z / 60, 0, 1))
    return head


def paint_face(canvas: Canvas, cavity: np.ndarray, head: np.ndarray) -> None:
    """Orbits with eyes, and air cells with their bone, outside the cranial cavity."""
    box = canvas.near((-80, -115, -60), (-5, -5, 60))
    z, y, x = point = canvas.within(box)
    side = z, y, np.abs(x)
    free = inside(np.minimum(-2.5 - cavity[box], head[box] - 3.0))
    orbit = tube(side, [(-34, -68, 32, 18), (-28, -28, 15, 5)])
    canvas.paint("bone", inside(orbit + 2.0) * free, box)
    canvas.paint("fat", inside(orbit) * free, box)
    for end in ((-33, -56, 44, 1.9), (-33, -56, 21, 1.9)):  # lateral and medial rectus
        canvas.paint("muscle", inside(tube(side, [(-29, -34, 17, 1.6), end])) * free, box)
    canvas.paint("white", inside(tube(side, [(-28, -24, 13, 1.8), (-33, -58, 30, 1.8)])), box)
    eye = ellipsoid(side, (-34, -68, 32), (12, 12, 12))
    canvas.paint("muscle", inside(eye + 1.0), box)
    canvas.paint("vitreous", inside(eye), box)
    canvas.paint("muscle", inside(ellipsoid(side, (-34, -76, 32), (4.5, 2.2, 4.5))), box)
    cells = ellipsoid(point, (-38, -60, 0), (17, 26, 10))  # ethmoid, maxillary, sphenoid, mastoid
    cells = np.maximum(cells, ellipsoid(side, (-64, -58, 28), (15, 18, 14)))
    cells = np.maximum(cells, ellipsoid(point, (-36, -24, 0), (9, 11, 13)))
    canvas.paint("bone", inside(cells + 2.0) * free, box)
    canvas.paint("air", inside(cells) * free, box)
    # Septa and mucosa keep the air cells from looking like one hole.
    septa = np.minimum(np.abs(np.sin(0.45 * y + 0.3 * x)), np.abs(x) * 0.5)
    canvas.paint("skin", 0.6 * inside(0.12 - septa, 0.3) * inside(cells) * free, box)
