"""Which sequences, slices, window and pixels become records: each flag against closed form."""

import numpy as np
import pytest
from dicom_studies import image, ramp, save, stack, write_stack, write_study
from ingest_runs import config, convert, scanner

from tfcyclegan.config import COMMANDS, IngestConfig
from tfcyclegan.data import manifest, windows
from tfcyclegan.data import slices as data_slices
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import run


def test_other_sequences_can_be_domains(tmp_path):
    for sequence in ("t1", "t2", "flair"):
        write_stack(tmp_path / "in" / sequence, sequence=sequence, series=sequence)
    code, result = convert(tmp_path, tmp_path / "in", "--keep_sequences=t1,flair")
    assert code == 0 and result.reasons == {"": 12, "other_sequence": 6}
    shards = manifest.read(result.directory)
    for domain in ("t1", "flair"):
        slices = data_slices.load_slices(
            str(result.directory), shards, split="train", sequence=domain, image_size=64
        )
        assert len(slices) == 6


def test_diffusion_is_a_domain_where_it_is_asked_for_and_its_b0_images_are_none(tmp_path):
    echo = {"ScanningSequence": ["EP", "SE"], "EchoTime": 80, "RepetitionTime": 6000}
    for b_value in (0.0, 1000.0):
        folder = tmp_path / "in" / str(b_value)
        write_stack(folder, series=str(b_value), DiffusionBValue=b_value, **echo)
    adc = ["DERIVED", "PRIMARY", "ADC"]
    write_stack(tmp_path / "in" / "adc", series="adc", ImageType=adc, **echo)
    code, result = convert(tmp_path, tmp_path / "in", "--keep_sequences=dwi", "--allow_derived")
    assert code == 0 and result.reasons == {"": 6, "unsure": 6, "derived": 6}
    assert {r["series/class"] for r in result.records()} == {b"dwi"}


@pytest.mark.parametrize("names", ["t2,flare", "", "T2"])
def test_a_sequence_that_does_not_exist_is_refused(tmp_path, names):
    with pytest.raises(UserError, match="--keep_sequences is a list of t2, flair") as caught:
        run.run(config(tmp_path, tmp_path, f"--keep_sequences={names}"))
    assert caught.value.exit_code == 2


def test_series_after_a_contrast_agent_can_be_left_out(tmp_path):
    write_study(tmp_path / "in")
    agent = {"ContrastBolusAgent": "Gd"}
    write_stack(tmp_path / "in" / "gd", sequence="flair", series="gd", study="study PAT1", **agent)
    _, result = convert(tmp_path, tmp_path / "in")
    assert sorted({r["mr/contrast"] for r in result.records()}) == [b"unknown", b"yes"]
    (tmp_path / "2").mkdir()
    code, result = convert(tmp_path / "2", tmp_path / "in", "--exclude_post_contrast")
    assert code == 0 and result.reasons == {"": 12, "post_contrast": 6}


def test_volumes_with_a_gap_can_be_refused(tmp_path):
    write_study(tmp_path / "in", slices=8)
    (tmp_path / "in" / "t2" / "im003.dcm").unlink()
    (tmp_path / "a").mkdir()
    code, result = convert(tmp_path / "a", tmp_path / "in")
    assert code == 0 and [r["note"] for r in result.series if r["proposed"] == "t2"] == ["gap"]
    (tmp_path / "b").mkdir()
    code, result = convert(tmp_path / "b", tmp_path / "in", "--require_complete")
    assert code == 4 and result.reasons == {"": 8, "gap": 7}
    assert {row["reason"] for row in result.lines("quarantine.jsonl")} == {"gap"}


def test_a_slice_that_is_lost_while_converting_is_a_gap_too(tmp_path):
    write_study(tmp_path / "in", slices=7)
    twin = stack(slices=7, study="study PAT1", series="t2", values=ramp)[3]
    save(twin, tmp_path / "in" / "twin")
    (tmp_path / "a").mkdir()
    code, result = convert(tmp_path / "a", tmp_path / "in")
    assert code == 4 and result.reasons == {"": 13, "duplicate_conflict": 2}
    (tmp_path / "b").mkdir()
    code, result = convert(tmp_path / "b", tmp_path / "in", "--require_complete")
    assert code == 4 and result.reasons == {"": 7, "duplicate_conflict": 2, "gap": 6}


def test_slices_are_kept_by_their_height_in_the_volume(tmp_path):
    write_study(tmp_path / "in", slices=11)
    code, result = convert(tmp_path, tmp_path / "in", "--slices=0.2:0.9", "--min_foreground=0")
    assert code == 0 and result.reasons == {"": 16, "outside_slices": 6}
    for sequence in ("t2", "flair"):
        found = result.records(sequence)
        assert [int(r["geom/slice_index"]) for r in found] == list(range(2, 10))
        assert {int(r["geom/slice_count"]) for r in found} == {11}


@pytest.mark.parametrize("slices", ["0.9:0.2", "0.5", "a:b", "-0.1:1", "0:1.1", "0:0.5:1"])
def test_a_part_of_a_volume_is_two_rising_fractions(slices):
    with pytest.raises(UserError, match="--slices is two fractions"):
        IngestConfig.parse("--input=i", "--output=o", "--key_file=k", f"--slices={slices}")


@pytest.mark.parametrize(("name", "low", "high"), [("p1-99", 1, 99), ("minmax", 0, 100)])
def test_another_window_is_taken_back_by_its_own_scale(tmp_path, name, low, high):
    write_stack(tmp_path / "in", values=ramp, slices=6)
    voxels = np.stack([dataset.pixel_array for dataset in stack(values=ramp, slices=6)])
    expected = np.percentile(voxels, [low, high])
    code, result = convert(
        tmp_path, tmp_path / "in", f"--normalization={name}", "--min_foreground=0"
    )
    assert code == 0
    for record in result.records():
        window = [record["image/scale_lo"], record["image/scale_hi"]]
        np.testing.assert_allclose(window, expected, rtol=1e-6)
    if name == "minmax":
        middle = scanner(result.records()[0])[40:-40, 40:-40]
        assert expected[0] <= middle.min() < middle.max() <= expected[1]
    assert result.card["intensity"]["window_percentiles"] == [low, high]


def test_the_heads_median_can_be_a_third_of_the_window(tmp_path):
    write_stack(tmp_path / "in", values=ramp, slices=6)
    voxels = np.stack([dataset.pixel_array for dataset in stack(values=ramp, slices=6)])
    median, low = np.median(voxels[voxels > voxels.mean()]), np.percentile(voxels, 0.5)
    flags = ("--normalization=head-median", "--min_foreground=0")
    code, result = convert(tmp_path, tmp_path / "in", *flags)
    assert code == 0
    for record in result.records():
        window = [record["image/scale_lo"], record["image/scale_hi"]]
        np.testing.assert_allclose(window, [low, low + 3 * (median - low)], rtol=1e-6)
    assert result.card["intensity"]["window_percentiles"] == [0.5, None]
    assert manifest.window_percentiles(result.directory) == (0.5, None)


def test_every_window_has_a_name_of_the_flag():
    field = next(f for f in IngestConfig.__dataclass_fields__.values() if f.name == "normalization")
    assert list(windows.WINDOWS) == field.metadata["choices"]
    assert windows.WINDOWS[field.default] == windows.WINDOW_PERCENTILES
    assert COMMANDS["tools/dicom_to_tfrecord.py"] is IngestConfig


@pytest.mark.parametrize(
    ("rows", "columns", "spacing", "box"),
    [
        (40, 40, (4.0, 4.0), (48, 48, 160, 160)),  # 160 mm amid 256
        (80, 60, (4.0, 4.0), (0, 8, 256, 240)),  # 320 mm are cropped to 256
        (181, 217, (1.0, 1.0), (38, 20, 181, 217)),  # an odd number of pixels of the grid's size
    ],
)
def test_a_fixed_spacing_crops_and_pads_at_that_many_mm(tmp_path, rows, columns, spacing, box):
    write_stack(tmp_path / "in", rows=rows, columns=columns, spacing=spacing, values=ramp)
    code, result = convert(tmp_path, tmp_path / "in", "--fixed_spacing=1", "--min_foreground=0")
    assert code == 0 and result.card["geometry"]["fixed_spacing_mm"] == 1
    for record in result.records():
        assert record["geom/out_spacing_mm"] == 1
        found = record["image/content_box"].tolist()
        assert np.abs(np.array(found) - box).max() <= 1 and found[2:] == list(box[2:])
        y0, x0, height, width = found
        inner = np.s_[y0 + 4 : y0 + height - 4, x0 + 4 : x0 + width - 4]
        stored = record["image/data"][inner].astype(int)
        real = np.where((stored > 0) & (stored < 65535), scanner(record)[inner], np.nan)
        # The ramp rises by 3 per mm to the left and by 5 to the back.
        assert np.nanmedian(np.diff(real, axis=1)) == pytest.approx(3, abs=0.3)
        assert np.nanmedian(np.diff(real, axis=0)) == pytest.approx(5, abs=0.3)


def test_an_odd_image_of_the_fixed_spacing_is_not_touched(tmp_path):
    rng = np.random.default_rng(0)
    originals = []
    for index in range(6):
        stored = rng.integers(0, 4000, (181, 217))
        originals.append(stored)
        save(
            image(stored, ImagePositionPatient=[0, 0, 6.0 * index]),
            tmp_path / "in" / f"{index}",
        )
    code, result = convert(
        tmp_path,
        tmp_path / "in",
        "--fixed_spacing=1",
        "--min_foreground=0",
        "--normalization=minmax",
    )
    assert code == 0
    for record, original in zip(result.records(), originals, strict=True):
        y0, x0, height, width = record["image/content_box"]
        found = scanner(record)[y0 : y0 + height, x0 : x0 + width]
        np.testing.assert_allclose(found, original, atol=4000 / 65535)


def test_both_series_of_a_study_share_the_fixed_grid(tmp_path):
    write_study(tmp_path / "in", spacing=(3.0, 3.0), rows=60, columns=50)
    code, result = convert(tmp_path, tmp_path / "in", "--fixed_spacing=0.8")
    assert code == 0 and len({r["geom/grid"] for r in result.records()}) == 1
    assert {float(np.float32(r["geom/out_spacing_mm"])) for r in result.records()} == {
        float(np.float32(0.8))
    }
