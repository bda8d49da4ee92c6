"""A table to records end to end, against closed forms and scipy."""

import random

import nibabel
import numpy as np
import pytest
from dicom_studies import ramp
from nifti_volumes import (
    ORIENTATIONS,
    affine,
    convert_table,
    head,
    image,
    mask_of,
    points,
    row,
    turned,
    write,
    write_table,
)
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tfcyclegan.errors import UserError


def grid_points(centre, x, y, spacing: float) -> np.ndarray:
    """LPS of every pixel of a grid, mm [256, 256, 3]."""
    steps = (np.arange(256) - 127.5) * spacing
    return centre + x * steps[None, :, None] + y * steps[:, None, None]


def nearest(mask: np.ndarray, lps: np.ndarray, where: np.ndarray) -> np.ndarray:
    """scipy's own nearest voxel at LPS coordinates; outside is False."""
    index = nibabel.affines.apply_affine(np.linalg.inv(lps), where)
    index = np.moveaxis(np.round(index, 4), -1, 0)
    return ndimage.map_coordinates(mask.astype("u1"), index, order=0, mode="grid-constant") > 0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


SHAPE, SPACING, CENTRE = (24, 20, 6), (6.0, 8.0, 10.0), np.array([3.0, -5.0, 7.0])


@pytest.fixture(scope="module")
def every_orientation(tmp_path_factory):
    """One volume of coordinates and one mask, each stored in all 48 orders of its axes."""
    folder = tmp_path_factory.mktemp("orientations")
    lps = affine(SHAPE, SPACING, CENTRE)
    where = points(SHAPE, lps)
    volume = image(ramp(where).astype(np.float32), lps)
    mask = ((where - CENTRE - [20, 30, 5]) ** 2).sum(-1) < 30**2
    rows = []
    for number, orientation in enumerate(ORIENTATIONS):
        other = ORIENTATIONS[(7 * number + 5) % 48]
        path = write(turned(volume, orientation), folder / f"{number}.nii")
        truth = write(turned(image(mask.astype(np.uint8), lps), other), folder / f"m{number}.nii")
        rows.append(row(path, patient=f"P{number}", lesion_mask=truth))
    code, result = convert_table(folder, write_table(folder / "t.csv", rows), "--min_foreground=0")
    assert code == 0
    return lps, mask, result.records()


def test_all_48_orientations_give_one_record(every_orientation):
    _, _, found = every_orientation
    assert len(ORIENTATIONS) == 48 and len(found) == 48 * 6
    own = {"id/patient", "id/study", "id/series", "id/frame_of_ref", "geom/grid"}
    for number in range(6):
        first, *others = [r for r in found if r["geom/slice_index"] == number]
        assert len(others) == 47
        for other in others:
            for name in first.keys() - own:
                np.testing.assert_allclose(other[name], first[name], rtol=1e-6, err_msg=name) if (
                    isinstance(first[name], (np.floating, np.ndarray)) and name != "image/data"
                ) else np.testing.assert_array_equal(other[name], first[name], name)


def test_the_record_shows_the_coordinates_themselves(every_orientation):
    _, _, found = every_orientation
    for number, record in enumerate(found[:6]):
        centre = CENTRE + [0, 0, (number - 2.5) * 10]
        where = grid_points(centre, np.eye(3)[0], np.eye(3)[1], 160 / 256)
        lo, hi = float(record["image/scale_lo"]), float(record["image/scale_hi"])
        expected = np.clip((ramp(where) - lo) / (hi - lo), 0, 1)
        inside = (np.abs(where - centre) <= [69, 76, 0]).all(-1)
        difference = np.abs(record["image/data"] / 65535 - expected)[inside]
        assert difference.max() < 1 / 65535 and inside.sum() > 40_000
        assert record["image/content_box"].tolist() == [0, 13, 256, 230]
        assert record["geom/src_spacing_mm"].tolist() == [8, 6]
        assert record["geom/slice_spacing_mm"] == pytest.approx(10)
        assert record["geom/frame_pos_mm"] == pytest.approx(10 * number, abs=1e-4)
        assert np.isnan(record["geom/slice_thickness_mm"]) and np.isnan(record["mr/te_ms"])
        assert record["series/class_source"] == b"mapping" and record["mr/plane"] == b"axial"


def test_masks_lie_where_scipy_puts_them_in_all_48_orientations(every_orientation):
    lps, mask, found = every_orientation
    for number in range(6):
        centre = CENTRE + [0, 0, (number - 2.5) * 10]
        where = grid_points(centre, np.eye(3)[0], np.eye(3)[1], 160 / 256)
        members = [r for r in found if r["geom/slice_index"] == number]
        np.testing.assert_array_equal(mask_of(members[0], "lesion"), nearest(mask, lps, where))
        assert len({r["mask/lesion"] for r in members}) == 1
        assert {r["mask/brain"] for r in members} == {b""}


@pytest.mark.parametrize("matrix", [96, 400])
def test_dice_of_a_resampled_mask_in_a_tilted_volume(tmp_path, matrix):
    shape, size = (matrix, matrix - 30, 7), 200 / matrix
    lps = np.eye(4)
    lps[:3, :3] = Rotation.from_euler("xyz", [11, 3, -4], degrees=True).as_matrix()
    axes = lps[:3, :3].copy()
    lps[:3, :3] *= [size, size, 6]
    middle = (np.array(shape) - 1) / 2
    lps[:3, 3] = CENTRE - lps[:3, :3] @ middle
    where = points(shape, lps)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 8 / size)
    mask = noise > np.quantile(noise, 0.9)
    volume = image((900 - np.abs(where).sum(-1)).astype(np.float32), lps)
    rows = [
        row(
            write(volume, tmp_path / "v.nii.gz"),
            brain_mask=write(image(mask.astype(np.float32), lps), tmp_path / "m.nii.gz"),
        )
    ]
    _, result = convert_table(tmp_path, write_table(tmp_path / "t.csv", rows))
    found = result.records()
    assert len(found) == 7
    for number, record in enumerate(found):
        centre = (lps @ [*middle[:2], number, 1])[:3]
        expected = nearest(mask, lps, grid_points(centre, axes[:, 0], axes[:, 1], 200 / 256))
        assert dice(mask_of(record, "brain"), expected) > 0.999 and expected.any()


def test_rows_names_and_workers_do_not_change_a_byte(tmp_path):
    rows = []
    for number in range(4):
        for sequence in ("t2", "flair"):
            made = head(seed=2 * number + (sequence == "t2"))
            path = write(made, tmp_path / f"{number}{sequence}.nii.gz")
            mask = write(
                image((made.get_fdata() > 500).astype("u1"), affine((20, 24, 6), (8.0, 8.0, 12.0))),
                tmp_path / f"m{number}.nii.gz",
            )
            rows.append(row(path.name, sequence, f"P{number}", lesion_mask=mask.name))
    outputs = []
    for name, workers in (("a", 1), ("b", 3)):
        random.Random(name).shuffle(rows)
        (tmp_path / name).mkdir()
        table = write_table(tmp_path / f"{name}.csv", rows)
        code, result = convert_table(tmp_path / name, table, f"--workers={workers}")
        assert code == 0
        outputs.append(result.files())
    assert outputs[0] == outputs[1]


def test_each_bad_row_has_its_reason_and_the_good_ones_convert(tmp_path, capsys):
    good = head()
    write(good, tmp_path / "good.nii.gz")
    write(head(seed=1), tmp_path / "twice.nii.gz")
    write(head((20, 24, 30), (8.0, 8.0, 8.0), seed=2), tmp_path / "isotropic.nii.gz")
    write(head((6, 24, 20), (12.0, 8.0, 8.0), seed=3), tmp_path / "sagittal.nii.gz")
    write(head((20, 24, 4), seed=4), tmp_path / "short.nii.gz")
    broken = head(seed=5)
    (tmp_path / "cut.nii").write_bytes(broken.to_bytes()[:-7])
    (tmp_path / "text.nii").write_text("no image")
    nan = np.asarray(good.dataobj, np.float32).copy()
    nan[0, 0, 0] = np.nan
    write(image(nan, affine((20, 24, 6), (8.0, 8.0, 12.0))), tmp_path / "nan.nii.gz")
    flat = image(np.full((20, 24, 6), 7, np.int16), affine((20, 24, 6), (8.0, 8.0, 12.0)))
    write(flat, tmp_path / "flat.nii.gz")
    far = image(np.ones((20, 24, 6), np.uint8), affine((20, 24, 6), (8.0, 8.0, 12.0), (0, 2, 0)))
    write(far, tmp_path / "far.nii.gz")
    cells = [
        ("good.nii.gz", "flair", "A", "far.nii.gz"),
        ("twice.nii.gz", "flair", "B", ""),
        ("twice.nii.gz", "flair", "C", ""),
        ("isotropic.nii.gz", "t2", "D", ""),
        ("sagittal.nii.gz", "t2", "E", "sagittal.nii.gz"),
        ("short.nii.gz", "t2", "F", ""),
        ("cut.nii", "t2", "G", ""),
        ("text.nii", "t2", "H", ""),
        ("nan.nii.gz", "t2", "I", ""),
        ("flat.nii.gz", "t2", "J", ""),
        ("gone.nii", "t2", "K", ""),
        ("good.nii.gz", "flair", "A", ""),
    ]
    rows = [row(path, cls, who, lesion_mask=mask) for path, cls, who, mask in cells]
    rows.append(row("good.nii.gz", "t1", "A", "other study"))
    table = write_table(tmp_path / "t.csv", rows[:-1])
    code, result = convert_table(tmp_path, table)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("row ")]
    assert code == 4 and len(result.records("flair")) == 6 and len(result.records("t2")) > 10
    assert all(r["mask/lesion"] == b"" for r in result.records())
    where = {line.partition(": ")[0]: line.partition(": ")[2] for line in said}
    assert where.pop("row 2, column lesion_mask") == "quarantined, mask_mismatch"
    copies = [where.pop(f"row {n}, column path", None) for n in (2, 13)]
    assert sorted(map(str, copies)) == ["None", "skipped, duplicate_exact"]
    assert where == {
        "row 3, column path": "quarantined, uid_collision",
        "row 4, column path": "quarantined, uid_collision",
        "row 6, column path": "skipped, other_plane",
        "row 6, column lesion_mask": "skipped, other_plane",
        "row 7, column path": "skipped, too_few_slices",
        "row 8, column path": "quarantined, truncated",
        "row 9, column path": "quarantined, not_nifti",
        "row 10, column path": "quarantined, not_finite",
        "row 11, column path": "quarantined, empty_volume",
        "row 12, column path": "quarantined, io_error",
    }
    counts = result.card["objects"]
    refused = sum(counts["skipped"].values()) + sum(counts["quarantined"].values())
    assert counts["seen"] == 14 == counts["converted"] + refused


def test_one_image_as_two_classes_is_a_contradiction(tmp_path, capsys):
    write(head(), tmp_path / "a.nii.gz")
    rows = [row("a.nii.gz", sequence) for sequence in ("t2", "flair")]
    with pytest.raises(UserError, match="Nothing was converted") as caught:
        convert_table(tmp_path, write_table(tmp_path / "t.csv", rows))
    assert caught.value.exit_code == 3
    said = capsys.readouterr().out
    assert all(f"row {n}, column path: quarantined, uid_collision\n" in said for n in (2, 3))
