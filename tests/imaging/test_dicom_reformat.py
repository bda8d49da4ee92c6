"""Slices of another plane: voxels of a sagittal or coronal stack, and the places they are at."""

import itertools

import numpy as np
import pytest
from dicom_studies import blob, coordinates, ramp, write_stack
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_runs import convert, scanner

from tfcyclegan.imaging import geometry, reformat

AXES = np.concatenate([np.eye(3), -np.eye(3)])
TURNED = [
    tuple(np.concatenate([row, column]).tolist())
    for row, column in itertools.product(AXES, AXES)
    if row @ column == 0 and np.cross(row, column)[2] == 0
]
"""All sagittal and coronal orientations, every sign of rows, columns and normal."""
SHAPE = (7, 9, 11)
"""Slices, rows and columns as stored, all different, so that none can be mistaken."""
STEPS = (1.0, 1.1, 1.2)
"""Between slices, between rows, between columns, mm."""
HEAD_FIRST, SAGITTAL = (1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1)


def acquired(orientation, *, slices=SHAPE[0], values=ramp, positions=None):
    """A stack as it is read: (volume in display, ascending along the normal; placements)."""
    normal = np.cross(orientation[:3], orientation[3:])
    images, placements = [], []
    for index in range(slices):
        height = index * STEPS[0] if positions is None else positions[index]
        position = np.array([-3.0, 4.0, 5.0]) + normal * height
        points = coordinates(position, orientation, STEPS[1:], *SHAPE[1:])
        placement = geometry.place(tuple(position), orientation, STEPS[1:], *SHAPE[1:])
        images.append(placement.axes.display(values(points)))
        placements.append(placement)
    order = np.argsort([p.origin @ p.axes.normal for p in placements])
    volume = np.stack([images[i] for i in order]).astype(np.float32)
    return volume, [placements[i] for i in order]


def places(lattice, index):
    """Patient coordinates of a slice's voxels, mm [rows, columns, 3], from DICOM's own formula."""
    columns, rows, _ = lattice.counts
    spacing = (lattice.steps[1], lattice.steps[0])
    return coordinates(lattice.position(index), lattice.orientation, spacing, rows, columns)


def test_16_orientations_are_sagittal_or_coronal():
    assert len(TURNED) == 16


@pytest.mark.parametrize("orientation", TURNED)
def test_axial_slices_are_the_voxels_themselves_in_their_right_places(orientation):
    volume, placements = acquired(orientation)
    source = reformat.lattice_of(placements)
    target = reformat.turned(source, "axial")
    assert target.orientation == HEAD_FIRST
    count = dict(zip(np.argmax(np.abs(source.axes), axis=1), source.counts, strict=True))
    assert target.counts.tolist() == [count[0], count[1], count[2]]
    made = list(reformat.sample(volume, source, target))
    assert len(made) == count[2] == target.slices
    for index, (image, outside) in enumerate(made):
        assert not outside.any() and image.dtype == np.float32
        np.testing.assert_allclose(image, ramp(places(target, index)), rtol=1e-6)
    values = np.sort(np.concatenate([image.ravel() for image, _ in made]))
    np.testing.assert_array_equal(values, np.sort(volume.ravel()))


@pytest.mark.parametrize("plane", ["sagittal", "coronal"])
def test_other_planes_can_be_cut_from_an_axial_stack(plane):
    volume, placements = acquired(HEAD_FIRST)
    source = reformat.lattice_of(placements)
    target = reformat.turned(source, plane)
    assert geometry.canonical_axes(target.orientation).plane == plane
    for index, (image, _) in enumerate(reformat.sample(volume, source, target)):
        np.testing.assert_allclose(image, ramp(places(target, index)), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.4, 0.4), st.floats(-0.3, 0.3), st.sampled_from(TURNED))
def test_a_ramp_is_exact_on_tilted_slices_too(tilt, turn, orientation):
    """Trilinear interpolation is exact for affine functions of the coordinates."""
    volume, placements = acquired(orientation)
    source = reformat.lattice_of(placements)
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]]
    )
    about_z = np.array(
        [[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    axes = geometry.canonical_axes(tuple((about_x @ about_z)[:2].ravel().tolist()))
    target = reformat.along(reformat.turned(source, "axial"), axes)
    np.testing.assert_allclose(target.centre, source.centre, atol=1e-9)
    compared = 0
    for index, (image, outside) in enumerate(reformat.sample(volume, source, target)):
        points = places(target, index)
        voxels = (points - source.origin) @ source.axes.T / source.steps
        far = ((voxels < -0.51) | (voxels > source.counts - 0.49)).any(axis=-1)
        inner = ((voxels >= 0) & (voxels <= source.counts - 1)).all(axis=-1)
        assert outside[far].all() and not outside[inner].any()
        np.testing.assert_allclose(image[inner], ramp(points)[inner], rtol=1e-5)
        compared += inner.sum()
    assert compared > 100


def test_frames_carry_the_geometry_and_nothing_else_changes():
    from test_dicom_volumes import frame

    _, placements = acquired(SAGITTAL)
    target = reformat.turned(reformat.lattice_of(placements), "axial")
    like = frame(thickness=1.0)
    frames = target.frames(like)
    # Slices run to the left, rows of the display to the feet, columns to the back.
    assert len(frames) == 9 and (frames[0].layout.rows, frames[0].layout.columns) == (11, 7)
    assert frames[0].spacing == (1.2, 1.0) and frames[0].thickness == 1.1
    heights = [f.position[2] for f in frames]
    np.testing.assert_allclose(np.diff(heights), 1.1)
    assert {(f.patient, f.series, f.physics) for f in frames} == {("p", "se", like.physics)}


@pytest.mark.parametrize(
    "positions",
    [
        [0, 1, 2, 3, 5, 6, 7],  # a slice is missing
        [0, 1, 2, 3.02, 4, 5, 6],  # one is 2 % off
        [0, 1, 1, 2, 3, 4, 5],  # two at one place
    ],
)
def test_an_uneven_stack_is_no_lattice(positions):
    assert reformat.lattice_of(acquired(SAGITTAL, positions=positions)[1]) is None


def test_a_sheared_stack_and_a_single_slice_are_no_lattice():
    _, placements = acquired(SAGITTAL)
    assert reformat.lattice_of(placements[:1]) is None
    sheared = [
        geometry.place((float(i), 0.1 * i, 0.0), SAGITTAL, STEPS[1:], *SHAPE[1:])
        for i in range(-5, 1)
    ]
    assert reformat.lattice_of(sheared[::-1]) is None


@pytest.mark.parametrize(
    ("step", "possible"), [(1.37, True), (1.38, False), (0.97, True), (0.95, False)]
)
def test_voxels_must_be_isotropic_within_a_quarter(step, possible):
    """Rows are 1.1, columns 1.2 mm apart: 1.1 * 1.25 is 1.375, and 1.2 / 1.25 is 0.96."""
    _, placements = acquired(SAGITTAL, positions=[step * i for i in range(7)])
    source = reformat.lattice_of(placements)
    assert (reformat.turned(source, "axial") is not None) == possible


def write_pair(folder, *, tilt=0.0, values=blob, gap=2.0, **options):
    """An axial 2D T2, tilted about the left-right axis, and a sagittal 3D FLAIR of one head."""
    tilted = (1, 0, 0, 0, float(np.cos(tilt)), float(np.sin(tilt)))
    shared = {"study": "s", "values": values}
    write_stack(
        folder / "t2",
        series="a",
        orientation=tilted,
        spacing=(1.5, 1.5),
        rows=128,
        columns=128,
        slices=20,
        gap=5.0,
        **shared,
    )
    three = {"MRAcquisitionType": "3D", "SliceThickness": "2", **options}
    write_stack(
        folder / "flair",
        series="b",
        sequence="flair",
        orientation=SAGITTAL,
        spacing=(2.0, 2.0),
        rows=100,
        columns=96,
        slices=80,
        gap=gap,
        **shared,
        **three,
    )


def pairs(result):
    """(T2, FLAIR) records of one height."""
    flair = result.records("flair")
    for t2 in result.records("t2"):
        heights = [abs(float(t2["geom/frame_pos_mm"] - r["geom/frame_pos_mm"])) for r in flair]
        if min(heights) <= 1.0:
            yield t2, flair[int(np.argmin(heights))]


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_a_sagittal_acquisition_joins_the_grid_of_the_axial_one(tmp_path, tilt):
    write_pair(tmp_path / "in", tilt=tilt)
    code, result = convert(tmp_path, tmp_path / "in", "--reformat_3d")
    assert code == 0 and result.reasons == {"": 100}
    assert len({r["geom/grid"] for r in result.records()}) == 1
    notes = {row["proposed"]: (row["plane"], row["note"]) for row in result.series}
    assert notes == {"t2": ("axial", ""), "flair": ("sagittal", "reformatted")}
    flair = result.records("flair")
    for record in flair:
        assert record["mr/plane"] == b"axial" and record["mr/acq_dim"] == b"3d"
        assert record["geom/slice_count"] == 100
        assert record["geom/slice_spacing_mm"] == record["geom/slice_thickness_mm"] == 2
        assert record["geom/slice_frac"] == pytest.approx(record["geom/slice_index"] / 99)
    found = list(pairs(result))
    assert len(found) > 12
    for t2, other in found:
        head, same = (r["image/data"] > 6554 for r in (t2, other))
        assert 2 * (head & same).sum() / (head.sum() + same.sum()) > 0.97
        marker, again = (scanner(r) > 700 for r in (t2, other))
        if marker.sum() > 500:
            # It is at the patient's front left, and so at the display's upper right.
            overlap = 2 * (marker & again).sum() / (marker.sum() + again.sum())
            assert overlap > 0.9
            rows, columns = np.nonzero(again)
            assert rows.mean() < 118 and columns.mean() > 138


def test_values_of_both_acquisitions_agree(tmp_path):
    """The ramp at one place is one number, whichever way it was acquired."""
    write_pair(tmp_path / "in", values=ramp)
    flags = ("--reformat_3d", "--min_foreground=0", "--normalization=minmax")
    code, result = convert(tmp_path, tmp_path / "in", *flags)
    assert code == 0
    compared = 0
    for t2, flair in pairs(result):
        height = float(flair["geom/frame_pos_mm"] - t2["geom/frame_pos_mm"])
        box = np.s_[70:186, 70:186]
        difference = scanner(flair)[box] - scanner(t2)[box]
        # Two roundings of the fixture to whole numbers, two of the records to 16 bits.
        np.testing.assert_allclose(difference, 7.0 * height, atol=1.1)
        assert abs(np.median(difference) - 7.0 * height) < 0.1
        compared += 1
    assert compared > 12


def test_without_an_axial_series_the_volume_keeps_its_own_voxels(tmp_path):
    rng = np.random.default_rng(0)
    field = rng.integers(100, 4000, (60, 60, 60))

    def values(points):
        x, y, z = np.moveaxis(np.rint(points / 2 + 29.5).astype(int), -1, 0)
        return field[np.clip(z, 0, 59), np.clip(y, 0, 59), np.clip(x, 0, 59)]

    options = {"MRAcquisitionType": "3D", "SliceThickness": "2", "values": values}
    write_stack(
        tmp_path / "in",
        sequence="flair",
        orientation=SAGITTAL,
        spacing=(2.0, 2.0),
        rows=60,
        columns=60,
        slices=60,
        gap=2.0,
        centre=(-1.0, 0, 0),
        **options,
    )
    flags = ("--reformat_3d", "--fixed_spacing=2", "--normalization=minmax", "--min_foreground=0")
    code, result = convert(tmp_path, tmp_path / "in", *flags)
    assert code == 0 and len(result.records()) == 60
    for index, record in enumerate(result.records()):
        y0, x0, height, width = record["image/content_box"]
        assert (height, width) == (60, 60)
        found = scanner(record)[y0 : y0 + 60, x0 : x0 + 60]
        np.testing.assert_allclose(found, field[index], atol=0.1)


@pytest.mark.parametrize(
    ("flags", "options", "reasons"),
    [
        ((), {}, {"": 20, "other_plane": 80}),
        (("--reformat_3d",), {"MRAcquisitionType": "2D"}, {"": 20, "other_plane": 80}),
        (("--reformat_3d",), {"gap": 2.6}, {"": 20, "other_plane": 80}),
    ],
)
def test_what_is_not_asked_for_or_not_isotropic_stays_in_its_plane(
    tmp_path, flags, options, reasons
):
    write_pair(tmp_path / "in", **options)
    code, result = convert(tmp_path, tmp_path / "in", "--min_foreground=0", *flags)
    assert code == 0 and result.reasons == reasons


def test_a_volume_with_a_missing_slice_is_not_reformatted(tmp_path):
    write_pair(tmp_path / "in")
    (tmp_path / "in" / "flair" / "im040.dcm").unlink()
    code, result = convert(tmp_path, tmp_path / "in", "--min_foreground=0", "--reformat_3d")
    assert code == 0 and result.reasons == {"": 20, "other_plane": 79}
