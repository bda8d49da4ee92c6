"""Studies to records end to end, against values that are known in closed form."""

import numpy as np
import pytest
from dicom_studies import RAMP, enhanced, image, ramp, save, stack, write_stack, write_study
from ingest_runs import convert, scanner
from pydicom import uid

from tfcyclegan.data import manifest, records

OBLIQUE = (0.96, 0.0, 0.28, 0.0, 1.0, 0.0)
FLIPPED = (0, -1, 0, -1, 0, 0)


@pytest.fixture(scope="module")
def two_patients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "in" / "a", "PAT1")
    write_study(folder / "in" / "b", "PAT2", slices=8)
    (folder / "in" / "notes.txt").write_text("not DICOM")
    code, result = convert(folder, folder / "in", "--qa_sheet=1")
    assert code == 0
    return folder, result


def test_every_slice_of_both_sequences_becomes_a_record(two_patients):
    _, result = two_patients
    for sequence in ("t2", "flair"):
        found = result.records(sequence)
        assert len(found) == 14 and {r["series/class"] for r in found} == {sequence.encode()}
    assert result.reasons == {"": 28, "not_dicom": 1}


def test_the_account_adds_up(two_patients):
    _, result = two_patients
    for name, seen, converted in (("objects", 29, 28), ("series", 4, 4)):
        counts = result.card[name]
        total = counts["converted"] + sum(counts["skipped"].values())
        assert counts["seen"] == seen == total + sum(counts["quarantined"].values())
        assert counts["converted"] == converted
    assert len(result.lines("audit.jsonl")) == 29 and not result.lines("quarantine.jsonl")


def test_the_manifest_is_the_trainers(two_patients):
    _, result = two_patients
    shards = manifest.read(result.directory)
    manifest.verify(result.directory, shards)
    assert [s.records for s in shards] == [14, 14]
    assert all(len(s.patients) == 2 for s in shards)
    assert result.card["splits"]["train"]["slices"] == {"flair": 14, "t2": 14}


def test_records_tell_how_they_were_acquired_and_where_they_lie(two_patients):
    _, result = two_patients
    for record in result.records("flair"):
        assert record["mr/ti_ms"] == 2500 and record["mr/te_ms"] == 110
        assert record["mr/manufacturer"] == b"siemens" and record["mr/plane"] == b"axial"
        assert record["geom/slice_spacing_mm"] == 6 and record["geom/slice_thickness_mm"] == 4
        assert record["geom/out_spacing_mm"] == pytest.approx(160 / 256)
        assert record["image/content_box"].tolist() == [0, 0, 256, 256]
        assert record["prov/schema_version"] == records.SCHEMA_VERSION
    assert {r["mr/ti_ms"].item() == r["mr/ti_ms"].item() for r in result.records("t2")} == {False}


def test_slices_count_upwards_by_position(two_patients):
    _, result = two_patients
    for series in {r["id/series"] for r in result.records()}:
        members = [r for r in result.records() if r["id/series"] == series]
        count = len(members)
        assert [r["geom/slice_index"] for r in members] == list(range(count))
        np.testing.assert_allclose([r["geom/slice_pos_mm"] for r in members], np.arange(count) * 6)
        np.testing.assert_allclose(
            [r["geom/slice_frac"] for r in members], np.arange(count) / (count - 1), atol=1e-6
        )


def test_the_display_is_upright_with_the_patients_left_at_the_right(two_patients):
    _, result = two_patients
    middle = result.records("t2")[3]["image/data"].astype(float)
    bright = np.argwhere(middle > 0.9 * middle.max()).mean(0)
    # The marker sits 35 mm to the left and 35 mm to the front of the centre.
    expected = 127.5 + np.array([-35, 35]) / (160 / 256)
    np.testing.assert_allclose(bright, expected, atol=1.5)


def test_contact_sheets_are_named_by_pseudonym(two_patients):
    _, result = two_patients
    (sheet,) = (result.directory / "qa").iterdir()
    studies = {r["id/study"].decode() for r in result.records()}
    assert sheet.stem in studies and b"tEXt" not in sheet.read_bytes()


def gradients(record):
    """Median change of scanner units per mm along columns and rows, inside the window."""
    stored = record["image/data"].astype(int)
    y0, x0, height, width = record["image/content_box"]
    box = np.s_[y0 + 6 : y0 + height - 6, x0 + 6 : x0 + width - 6]
    real = np.where((stored > 0) & (stored < 65535), scanner(record), np.nan)[box]
    spacing = float(record["geom/out_spacing_mm"])
    return [float(np.nanmedian(np.diff(real, axis=axis))) / spacing for axis in (1, 0)]


@pytest.mark.parametrize(
    ("orientation", "plane", "along_columns", "along_rows"),
    [
        ((1, 0, 0, 0, 1, 0), "axial", RAMP[1], RAMP[2]),
        (FLIPPED, "axial", RAMP[1], RAMP[2]),
        ((-1, 0, 0, 0, 1, 0), "axial", RAMP[1], RAMP[2]),
        (OBLIQUE, "axial", 0.96 * RAMP[1] + 0.28 * RAMP[3], RAMP[2]),
        ((1, 0, 0, 0, 0, -1), "coronal", RAMP[1], -RAMP[3]),
        ((0, 0, 1, 1, 0, 0), "coronal", RAMP[1], -RAMP[3]),
        ((0, 1, 0, 0, 0, -1), "sagittal", RAMP[2], -RAMP[3]),
    ],
)
def test_a_ramp_keeps_its_slope_and_sign_in_every_orientation(
    tmp_path, orientation, plane, along_columns, along_rows
):
    write_stack(tmp_path / "in", orientation=orientation, values=ramp, rows=48, spacing=(3, 4))
    code, result = convert(tmp_path, tmp_path / "in", f"--plane={plane}", "--min_foreground=0")
    assert code == 0
    for record in result.records():
        np.testing.assert_allclose(gradients(record), [along_columns, along_rows], rtol=0.02)


def test_series_of_a_study_lie_on_one_grid_and_height(tmp_path):
    options = {"values": ramp, "study": "s"}
    write_stack(
        tmp_path / "in" / "t2",
        series="a",
        spacing=(2.5, 2.5),
        rows=64,
        columns=56,
        slices=10,
        gap=5.0,
        **options,
    )
    write_stack(
        tmp_path / "in" / "fl",
        series="b",
        spacing=(4, 4),
        rows=44,
        columns=44,
        slices=8,
        gap=7.0,
        centre=(3.3, -2.2, 4.0),
        sequence="flair",
        **options,
    )
    code, result = convert(tmp_path, tmp_path / "in", "--min_foreground=0")
    assert code == 0
    t2, flair = result.records("t2"), result.records("flair")
    assert {r["geom/grid"] for r in t2} == {r["geom/grid"] for r in flair}
    assert {float(r["geom/out_spacing_mm"]) for r in t2 + flair} == {44 * 4 / 256}
    # The lowest slice of the two is T2's at 10 * -5/2 = -25 mm; FLAIR starts at 4 - 28 = -24 mm.
    assert t2[0]["geom/frame_pos_mm"] == 0 and flair[0]["geom/frame_pos_mm"] == pytest.approx(1)
    # The same pixel of both is the same place, so the ramp differs by height alone.
    a, b = t2[4], flair[3]
    difference = scanner(b) - scanner(a)
    inside = np.ones((256, 256), bool)
    for record in (a, b):
        stored = record["image/data"]
        inside &= (stored > 0) & (stored < 65535)
        # Half a source pixel at the border repeats the outermost value.
        y0, x0, height, width = record["image/content_box"] + [6, 6, -12, -12]
        box = np.zeros_like(inside)
        box[y0 : y0 + height, x0 : x0 + width] = True
        inside &= box
    height = float(b["geom/frame_pos_mm"] - a["geom/frame_pos_mm"])
    assert inside.sum() > 5000 and height == pytest.approx(2)
    # Two roundings of stored values to whole numbers in the fixture, and two to 16 bits.
    np.testing.assert_allclose(difference[inside], RAMP[3] * height, atol=0.75)
    assert abs(np.median(difference[inside]) - RAMP[3] * height) < 0.1


def test_a_varying_rescale_slope_is_applied_slice_by_slice(tmp_path):
    plain, varying = tmp_path / "plain", tmp_path / "varying"
    for number, dataset in enumerate(stack(values=lambda p: 600 * ramp(p) // 600)):
        save(dataset, plain / f"{number}")
        slope = 1 + number % 3
        stored = np.rint(dataset.pixel_array / slope)
        changed = image(stored, **{e.keyword: e.value for e in dataset if e.keyword != "PixelData"})
        changed.RescaleSlope, changed.RescaleIntercept = slope, 0
        save(changed, varying / f"{number}")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, expected = convert(tmp_path / "a", plain, "--min_foreground=0")
    _, found = convert(tmp_path / "b", varying, "--min_foreground=0")
    for one, other in zip(expected.records(), found.records(), strict=True):
        np.testing.assert_allclose(scanner(one), scanner(other), atol=2)


def test_monochrome1_is_inverted_over_the_volume(tmp_path):
    upright, inverted = stack(), stack(PhotometricInterpretation="MONOCHROME1")
    for number, dataset in enumerate(upright):
        save(dataset, tmp_path / "up" / f"{number}")
    for number, dataset in enumerate(inverted):
        dataset.PixelData = (4095 - dataset.pixel_array).astype("<u2").tobytes()
        save(dataset, tmp_path / "down" / f"{number}")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, expected = convert(tmp_path / "a", tmp_path / "up")
    code, found = convert(tmp_path / "b", tmp_path / "down")
    assert code == 0
    for one, other in zip(expected.records(), found.records(), strict=True):
        np.testing.assert_array_equal(one["image/data"], other["image/data"])


def test_monochrome1_can_be_refused(tmp_path):
    write_study(tmp_path / "in")
    write_stack(tmp_path / "in" / "m", study="m", PhotometricInterpretation="MONOCHROME1")
    code, result = convert(tmp_path, tmp_path / "in", "--monochrome1=refuse")
    assert code == 4 and result.reasons == {"": 12, "mono1": 6}


@pytest.mark.parametrize("syntax", [uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian])
def test_other_encodings_give_the_same_records(tmp_path, syntax):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_stack(tmp_path / "plain")
    write_stack(tmp_path / "coded", syntax=syntax)
    _, expected = convert(tmp_path / "a", tmp_path / "plain")
    code, found = convert(tmp_path / "b", tmp_path / "coded")
    assert code == 0
    for one, other in zip(expected.records(), found.records(), strict=True):
        np.testing.assert_array_equal(one["image/data"], other["image/data"])


def test_shuffled_enhanced_frames_are_put_in_order(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    images = stack(slices=7, sequence="flair")
    write_stack(tmp_path / "plain", slices=7, sequence="flair")
    save(enhanced(images, [4, 0, 6, 2, 5, 1, 3]), tmp_path / "one" / "x.dcm")
    _, expected = convert(tmp_path / "a", tmp_path / "plain")
    code, found = convert(tmp_path / "b", tmp_path / "one")
    assert code == 0 and len(found.records("flair")) == 7
    for one, other in zip(expected.records(), found.records(), strict=True):
        np.testing.assert_array_equal(one["image/data"], other["image/data"])
        assert one["geom/slice_pos_mm"] == other["geom/slice_pos_mm"]


def test_padding_does_not_shape_the_window(tmp_path):
    def padded(points):
        values = ramp(points)
        values[:, :12] = 60000
        return values

    for number, dataset in enumerate(stack(values=padded)):
        dataset.add_new("PixelPaddingValue", "US", 60000)
        save(dataset, tmp_path / "in" / f"{number}")
    _, result = convert(tmp_path, tmp_path / "in", "--min_foreground=0")
    for record in result.records():
        assert record["image/scale_hi"] < 3000
        assert not record["image/data"][:, :60].any(), "padding is background"
        assert record["image/data"][:, 90:].any()


def test_slices_without_a_head_are_dropped_and_counted(tmp_path):
    write_study(tmp_path / "in", slices=40, gap=6.0)
    code, result = convert(tmp_path, tmp_path / "in")
    kept = [int(r["geom/slice_index"]) for r in result.records("t2")]
    assert code == 0 and kept == list(range(kept[0], kept[-1] + 1)) and 20 <= len(kept) < 30
    assert result.reasons == {"": 2 * len(kept), "low_foreground": 80 - 2 * len(kept)}
    assert result.records("t2")[0]["geom/slice_count"] == 40


def test_a_small_shard_size_makes_more_shards_and_loses_nothing(tmp_path):
    for number in range(6):
        write_study(
            tmp_path / "in" / str(number), f"P{number}", rows=16, columns=16, spacing=(10, 10)
        )
    code, result = convert(tmp_path, tmp_path / "in", f"--shard_bytes={1 << 20}")
    shards = manifest.read(result.directory)
    assert code == 0 and len(shards) == 10
    assert sum(s.records for s in shards) == 72 == len(result.records())
    names = {s.shard for s in shards}
    assert names == {p.name for p in result.directory.glob("*.tfrecord")}
