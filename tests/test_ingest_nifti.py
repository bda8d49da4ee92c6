"""A table to records end to end, against closed forms, scipy, and the same heads as DICOM."""

import importlib
import pathlib
import random
import sys

import nibabel
import numpy as np
import pytest
from dicom_studies import ramp
from ingest_runs import convert, key_file
from nifti_volumes import (
    ORIENTATIONS,
    affine,
    convert_table,
    head,
    image,
    points,
    row,
    turned,
    write,
    write_table,
)
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tfcyclegan import data, manifest, pairing, records
from tfcyclegan.errors import UserError
from tfcyclegan.phantom.anatomy import Grid
from tfcyclegan.phantom.head import simulate
from tfcyclegan.phantom.scanner import scan

ROOT = pathlib.Path(__file__).resolve().parent.parent
MRI = ROOT.parent / "shared" / "mri"
needs_mri = pytest.mark.skipif(not MRI.is_dir(), reason="needs the scans of ../shared/mri")


def mask_of(record: dict, name: str) -> np.ndarray:
    mask, present = records.decode_mask([record[f"mask/{name}"]])
    assert present.numpy().all()
    return mask[0].numpy()


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


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A simulated patient as DICOM and as NIfTI with its truth, converted both ways."""
    sys.path.append(str(ROOT / "tools"))
    make, dicom = (importlib.import_module(name) for name in ("make_phantom", "phantom_dicom"))
    folder = tmp_path_factory.mktemp("phantom")
    grid = Grid(96, 8)
    truth = simulate(grid, np.random.default_rng(1))
    exam = make.examine(0, 1, grid, np.random.default_rng(2))
    rows = []
    make.write_mask(folder / "lesions.nii.gz", truth.lesions, exam)
    make.write_mask(folder / "brain.nii.gz", truth.brain, exam)
    for sequence, series in scan(truth.fractions, grid, np.random.default_rng(3)).items():
        dicom.write_series(folder / "in" / sequence, exam, series, np.random.default_rng(4))
        pixels = series.pixels if hasattr(series, "pixels") else series.image
        path = write(image(pixels.transpose(), exam.affine()), folder / f"{sequence}.nii.gz")
        masks = {"lesion_mask": "lesions.nii.gz", "brain_mask": "brain.nii.gz"}
        rows.append(row(path.name, sequence, "PHANTOM001", **masks))
    (folder / "d").mkdir()
    key_file(folder / "d")
    (_, one), (_, other) = (
        convert(folder / "d", folder / "in"),
        convert_table(folder, write_table(folder / "t.csv", rows)),
    )
    return one, other


def same_head(dicom: list[dict], nifti: list[dict], levels: int) -> None:
    assert len(dicom) == len(nifti) > 0
    for a, b in zip(dicom, nifti, strict=True):
        difference = a["image/data"].astype(int) - b["image/data"]
        assert np.abs(difference).max() <= levels
        for name in ("image/content_box", "geom/slice_index", "geom/slice_count", "mr/plane"):
            np.testing.assert_array_equal(a[name], b[name], name)
        for name in ("geom/out_spacing_mm", "geom/src_spacing_mm", "geom/slice_spacing_mm"):
            np.testing.assert_allclose(a[name], b[name], rtol=1e-4, err_msg=name)
        for name in ("geom/frame_pos_mm", "geom/slice_pos_mm"):
            np.testing.assert_allclose(a[name], b[name], atol=5e-3, err_msg=name)


@pytest.mark.parametrize("sequence", ["t2", "flair"])
def test_a_phantom_is_the_same_as_dicom_and_as_nifti(phantom, sequence):
    dicom, nifti = phantom
    same_head(dicom.records(sequence), nifti.records(sequence), 1)
    patients = {r["id/patient"] for result in phantom for r in result.records()}
    assert len(patients) == 1, "one key, one patient, whichever way the images came"


def test_t2_and_flair_of_a_study_pair_with_their_masks(phantom):
    _, nifti = phantom
    shards = manifest.read(nifti.directory)
    manifest.verify(nifti.directory, shards)
    slices = [
        data.load_slices(
            str(nifti.directory), shards, split="train", sequence=sequence, image_size=256
        )
        for sequence in ("t2", "flair")
    ]
    pairs = pairing.pair(*slices)
    assert len(pairs) == len(slices[0]) >= 7 and pairs.unpaired_a == pairs.unpaired_b == 0
    for t2, flair in zip(nifti.records("t2"), nifti.records("flair"), strict=True):
        assert t2["mask/lesion"] == flair["mask/lesion"] and t2["mask/brain"] != b""
    assert any(mask_of(r, "lesion").any() for r in nifti.records("t2"))


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


def test_one_image_as_two_classes_is_a_contradiction(tmp_path):
    write(head(), tmp_path / "a.nii.gz")
    rows = [row("a.nii.gz", sequence) for sequence in ("t2", "flair")]
    with pytest.raises(UserError, match="Nothing was converted") as caught:
        convert_table(tmp_path, write_table(tmp_path / "t.csv", rows))
    assert caught.value.exit_code == 3


@needs_mri
@pytest.mark.parametrize("case", ["case01", "case03", "case04"])
def test_real_scans_are_the_same_as_dicom_and_as_nifti(tmp_path, case):
    """case03 is an Enhanced image with shuffled frames, case04 is JPEG 2000."""
    folder = MRI / "nifti" / case
    rows = [
        row(folder / f"{name}.nii.gz", name, brain_mask=folder / "brain.nii.gz")
        for name in ("T2", "FLAIR")
    ]
    (tmp_path / "d").mkdir()
    _, dicom = convert(tmp_path / "d", MRI / "dicom" / case, "--min_foreground=0")
    table = write_table(tmp_path / "t.csv", rows)
    code, nifti = convert_table(tmp_path, table, "--min_foreground=0")
    assert code == 0
    for sequence in ("t2", "flair"):
        same_head(dicom.records(sequence), nifti.records(sequence), 1)
    brain = nibabel.load(folder / "brain.nii.gz")
    stored = np.asarray(brain.dataobj)[:, ::-1].T > 0  # stored as left, front, head
    for number, record in enumerate(nifti.records("t2")):
        np.testing.assert_array_equal(mask_of(record, "brain"), stored[number])
