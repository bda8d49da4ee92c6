"""Canonical display and study grid, held against the patient's coordinates in closed form."""

import itertools

import numpy as np
import pytest
from dicom_studies import coordinates, ramp
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcyclegan.data.records import SIZE
from tfcyclegan.imaging import geometry, resampling

AXES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0)}
AXES |= {"H": (0, 0, 1), "F": (0, 0, -1)}
DISPLAY = {"axial": ("L", "P"), "coronal": ("L", "F"), "sagittal": ("P", "F")}
"""Where columns and rows of a radiologist's display run to."""
ORIENTATIONS = [
    (row, column)
    for row, column in itertools.product(AXES, AXES)
    if np.dot(AXES[row], AXES[column]) == 0
]


def marker_image(orientation, rows=6, columns=8):
    """An image whose values are the coordinates themselves, along each patient axis."""
    return coordinates((0, 0, 0), orientation, (1, 1), rows, columns)


@pytest.mark.parametrize(("row", "column"), ORIENTATIONS)
def test_every_orientation_is_shown_as_a_radiologist_expects(row, column):
    orientation = (*AXES[row], *AXES[column])
    axes = geometry.canonical_axes(orientation)
    shown = np.stack([axes.display(marker_image(orientation)[..., k]) for k in range(3)], -1)
    across, down = shown[0, 1] - shown[0, 0], shown[1, 0] - shown[0, 0]
    expected = DISPLAY[axes.plane]
    assert across.tolist() == list(AXES[expected[0]])
    assert down.tolist() == list(AXES[expected[1]])


def test_all_24_orientations_were_tried():
    assert len(ORIENTATIONS) == 24


@pytest.mark.parametrize(
    ("orientation", "left_column", "front_row"),
    [
        ((1, 0, 0, 0, 1, 0), 1, 0),  # feet first or head first, supine: as scanners store it
        ((-1, 0, 0, 0, -1, 0), 1, 0),  # prone
        ((0, 1, 0, 1, 0, 0), 1, 0),  # rows and columns exchanged
        ((1, 0, 0, 0, -1, 0), 1, 0),  # seen from above
    ],
)
def test_a_marker_at_the_front_left_is_at_the_upper_right(orientation, left_column, front_row):
    points = coordinates((0, 0, 0), orientation, (1, 1), 4, 4)
    middle = points.mean((0, 1))
    marker = (points[..., 0] > middle[0]) & (points[..., 1] < middle[1])
    shown = geometry.canonical_axes(orientation).display(marker.astype(int))
    assert shown[:2, 2:].all() and shown.sum() == 4


@pytest.mark.parametrize(
    ("degrees", "plane"), [(0, "axial"), (25, "axial"), (27, "oblique"), (64, "oblique")]
)
def test_a_plane_is_oblique_beyond_26_degrees(degrees, plane):
    angle = np.deg2rad(degrees)
    orientation = (1, 0, 0, 0, np.cos(angle), np.sin(angle))
    assert geometry.canonical_axes(tuple(orientation)).plane == plane


@st.composite
def rotations(draw):
    quaternion = np.array([draw(st.floats(-1, 1)) for _ in range(4)])
    if np.linalg.norm(quaternion) < 0.1:
        quaternion = np.array([1.0, 0, 0, 0])
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        ]
    )


@settings(max_examples=60, deadline=None)
@given(
    rotations(),
    st.floats(0.3, 3),
    st.floats(0.3, 3),
    st.integers(20, 400),
    st.integers(20, 400),
    st.floats(-100, 100),
)
def test_a_ramp_survives_any_geometry(rotation, dy, dx, rows, columns, shift):
    orientation = tuple(rotation.ravel())
    position = (shift, -shift, 2 * shift)
    points = coordinates(position, orientation, (dy, dx), rows, columns)
    placement = geometry.place(position, orientation, (dy, dx), rows, columns)
    grid = geometry.grid_of(placement)
    shown = placement.axes.display(ramp(points)).astype(np.float64)
    out, (y0, x0, height, width) = resampling.resample(shown, placement, grid)

    k = np.arange(SIZE) - (SIZE - 1) / 2
    u, v = grid.u + k * grid.spacing, grid.v + k * grid.spacing
    depth = placement.origin @ grid.normal
    truth = ramp(u[None, :, None] * grid.x + v[:, None, None] * grid.y + depth * grid.normal)
    # One source pixel from the border the outermost pixel is repeated instead.
    margin = int(np.ceil(max(dy, dx) / grid.spacing)) + 1
    inner = np.s_[y0 + margin : y0 + height - margin, x0 + margin : x0 + width - margin]
    scale = np.abs(shown).max()
    if out[inner].size:
        assert np.abs(out[inner] - truth[inner]).max() < 1e-3 * max(1, scale / 1000)
    assert max(height, width) >= SIZE - 1


@pytest.mark.parametrize("step", [0.31, 0.77, 1.0, 1.37, 1.75, 2.0, 3.9])
def test_weights_reproduce_lines_and_add_up_to_one(step):
    weights, first, count = resampling.axis_weights(400, 7.3, step)
    lines = weights.toarray() @ np.stack([np.ones(400), np.arange(400)], 1)
    inner = np.s_[first + 5 : first + count - 5]
    centres = 7.3 + step * np.arange(SIZE)
    np.testing.assert_allclose(lines[inner, 0], 1, atol=1e-6)
    np.testing.assert_allclose(lines[inner, 1], centres[inner], atol=1e-3)


def test_going_down_suppresses_what_the_grid_cannot_hold():
    weights, *_ = resampling.axis_weights(512, 0.5, 2.0)
    stripes = np.tile([0.0, 1.0], 256)
    np.testing.assert_allclose((weights @ stripes)[2:-2], 0.5, atol=1e-6)


def test_going_up_is_bilinear():
    weights, first, count = resampling.axis_weights(3, 0.0, 0.25)
    np.testing.assert_allclose(
        (weights @ np.array([0.0, 1.0, 4.0]))[:9], [0, 0.25, 0.5, 0.75, 1, 1.75, 2.5, 3.25, 4]
    )
    assert (first, count) == (0, 11), "centres up to 2.5, half a pixel beyond the last one"


def test_an_image_on_the_grid_is_not_touched():
    image = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    placement = geometry.place((3, 4, 5), (1, 0, 0, 0, 1, 0), (0.7, 0.7), SIZE, SIZE)
    out, box = resampling.resample(image, placement, geometry.grid_of(placement))
    np.testing.assert_array_equal(out, image)
    assert box == (0, 0, SIZE, SIZE)


def test_a_smaller_field_of_view_joins_the_grid_of_the_larger():
    small = geometry.place((-60, -60, 0), (1, 0, 0, 0, 1, 0), (1, 1), 120, 120)
    large = geometry.place((-100, -90, 0), (1, 0, 0, 0, 1, 0), (1, 1), 200, 200)
    tilted = geometry.place((-60, -60, 0), (1, 0, 0, 0, 0.98, 0.199), (1, 1), 120, 120)
    grids = geometry.study_grids([small, large, tilted])
    assert grids[0] is grids[1] and grids[2] is not grids[0]
    assert grids[0].spacing == 200 / SIZE
    image = np.ones((120, 120), np.float32)
    out, (y0, x0, height, width) = resampling.resample(image, small, grids[0])
    assert out.sum() == height * width == round(120 / grids[0].spacing) ** 2 == 154**2
    # The large series' centre is at (-0.5, 9.5), the small one's at (-0.5, -0.5): 10 mm higher.
    assert (x0, y0) == (51, 51 - round(10 / grids[0].spacing))


@pytest.mark.parametrize(
    ("depths", "spacing", "gap"),
    [([0, 5, 10, 15], 5, False), ([0, 5, 15, 20], 5, True), ([0, 5.3, 10, 15.2], 5.2, False)],
)
def test_a_missing_slice_is_a_gap(depths, spacing, gap):
    assert geometry.gaps(depths, tolerance=0.1) == (pytest.approx(spacing), gap)
