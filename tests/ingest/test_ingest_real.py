"""Real scans: nine patients against their NIfTI originals, and scanners' test images.

Both collections stay outside the project; the tests skip where they are absent.
"""

import collections
import contextlib
import os
import pathlib
import shutil

import gdcm
import nibabel as nib
import numpy as np
import pydicom
import pytest
from ingest_runs import KEY, Result, config, convert, planted_words, scanner
from places import MRI, ZOO, needs_mri, needs_zoo
from scipy import ndimage

from tfcyclegan.data.records import SEQUENCES
from tfcyclegan.errors import UserError
from tfcyclegan.imaging.dicom import headers, pixels, silence
from tfcyclegan.imaging.frames import Reading
from tfcyclegan.imaging.source import walk
from tfcyclegan.ingest import run
from tfcyclegan.ingest.verification import output_check, search
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.pseudonyms import Pseudonyms

CASES = {number: f"case0{number}" for number in range(1, 10)}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mri")
    code, result = convert(folder, MRI / "dicom", "--workers=2", "--min_foreground=0")
    assert code == 0
    series = collections.defaultdict(list)
    for record in result.records():
        series[record["id/series"].decode()].append(record)
    return result, series


def pseudonym(case: str, sequence: str) -> str:
    """The key of a case's series, by the folders that the collection keeps them in."""
    folders = {"t2": ("S2", "S5"), "flair": ("S3", "S6")}[sequence]
    study = MRI / "dicom" / case / "study1"
    folder = next(study / name for name in folders if (study / name).is_dir())
    first = pydicom.dcmread(sorted(folder.iterdir())[0], stop_before_pixels=True)
    return Pseudonyms(KEY).of("series", str(first.SeriesInstanceUID).encode())


@needs_mri
def test_both_sequences_of_every_study_and_nothing_else(converted):
    result, series = converted
    kinds = collections.Counter(r[0]["series/class"] for r in series.values())
    studies = collections.Counter(r[0]["id/study"] for r in series.values())
    assert kinds == {b"t2": 10, b"flair": 10} and set(studies.values()) == {2}
    assert len(studies) == 10 and result.card["splits"]["train"]["patients"] == 9
    assert result.card["series"]["skipped"] == {"localizer": 6, "other_sequence": 3}
    assert result.card["objects"]["quarantined"] == {}


@needs_mri
@pytest.mark.parametrize("case", [CASES[n] for n in range(1, 7)])
@pytest.mark.parametrize("sequence", ["t2", "flair"])
def test_records_are_the_nifti_of_the_same_patient(converted, case, sequence):
    _, series = converted
    records = series[pseudonym(case, sequence)]
    path = MRI / "nifti" / case / f"{'T2' if sequence == 't2' else 'FLAIR'}.nii.gz"
    volume = nib.as_closest_canonical(nib.load(path)).get_fdata()
    assert len(records) == volume.shape[2]
    # case05's files hold whole numbers times a slope of up to 2.4, case06's FLAIR an offset.
    tolerance = 3e-4 if case == "case05" else 1e-5
    inverted = case == "case06" and sequence == "flair"
    for number, record in enumerate(records):
        # Canonical NIfTI counts to the right, the front and the head; the display to the left,
        # the back and downwards.
        truth = volume[::-1, ::-1, number].T
        lo, hi = float(record["image/scale_lo"]), float(record["image/scale_hi"])
        if inverted:
            truth = truth + 49153
        found = (scanner(record) - np.clip(truth, lo, hi)) / (hi - lo)
        assert np.abs(found).max() < tolerance


@needs_mri
def test_both_series_of_a_study_share_grid_and_height(converted):
    _, series = converted
    studies = collections.defaultdict(dict)
    for records in series.values():
        studies[records[0]["id/study"]][records[0]["series/class"]] = records
    for pair in studies.values():
        t2, flair = pair[b"t2"], pair[b"flair"]
        assert {r["geom/grid"] for r in t2} == {r["geom/grid"] for r in flair}
        lowest = min(t2[0]["geom/frame_pos_mm"], flair[0]["geom/frame_pos_mm"])
        assert lowest == pytest.approx(0, abs=1e-3)


@needs_mri
@pytest.mark.parametrize("case", ["case07", "case08", "case09"])
def test_heads_of_different_grids_coincide(converted, case):
    """T2 and FLAIR differ in contrast, but outlines of nearly registered heads overlap."""
    _, series = converted
    t2, flair = series[pseudonym(case, "t2")], series[pseudonym(case, "flair")]
    overlaps = []
    for a in t2[len(t2) // 3 : 2 * len(t2) // 3]:
        b = min(flair, key=lambda r: abs(r["geom/frame_pos_mm"] - a["geom/frame_pos_mm"]))
        one, other = (r["image/data"] > 6554 for r in (a, b))
        overlaps.append(2 * (one & other).sum() / (one.sum() + other.sum()))
        swapped = 2 * (one & other[::-1]).sum() / (one.sum() + other.sum())
        assert overlaps[-1] > swapped, "front and back are told apart"
    assert np.median(overlaps) > 0.8


def head(record):
    """The largest connected part of the foreground, its holes filled."""
    labels, _ = ndimage.label(ndimage.binary_fill_holes(record["image/data"] > 6554))
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def dice(a, b) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def neighbours(a, b):
    """(slice of a, slice of b at its height) of the middle half of a."""
    for one in a[len(a) // 4 : 3 * len(a) // 4]:
        other = min(b, key=lambda r: abs(r["geom/frame_pos_mm"] - one["geom/frame_pos_mm"]))
        if abs(other["geom/frame_pos_mm"] - one["geom/frame_pos_mm"]) < 2.5:
            yield one, other


@needs_mri
def test_outlines_of_both_sequences_of_every_study_agree(converted):
    """Dice of filled outlines; registration of T2 and FLAIR is the scanner's or the authors'."""
    studies = collections.defaultdict(lambda: collections.defaultdict(list))
    for records in converted[1].values():
        studies[records[0]["id/study"]][records[0]["series/class"]] += records
    assert len(studies) == 10
    for pair in studies.values():
        found = [dice(head(a), head(b)) for a, b in neighbours(pair[b"t2"], pair[b"flair"])]
        assert len(found) >= 8 and np.median(found) >= 0.9, np.round(found, 2)


@needs_mri
def test_a_sagittal_acquisition_of_a_real_head_meets_its_axial_t2(tmp_path):
    """A real FLAIR, sampled onto sagittal slices by DICOM's formula alone, and reformatted back."""
    study = MRI / "dicom" / "case08" / "study1"
    shutil.copytree(study / "S5", tmp_path / "in" / "t2")
    shutil.copytree(study / "S6", tmp_path / "in" / "flair")
    write_sagittal(study / "S6", tmp_path / "in" / "sagittal", step_mm=2.0)
    code, result = convert(tmp_path, tmp_path / "in", "--reformat_3d", "--min_foreground=0")
    assert code == 0
    t2, flair = result.records("t2"), result.records("flair")
    assert {r["geom/grid"] for r in flair} == {r["geom/grid"] for r in t2}
    axial, made = ([r for r in flair if r["mr/acq_dim"] == kind] for kind in (b"2d", b"3d"))
    assert len(axial) == 39 and len(made) > 80
    found = [dice(head(a), head(b)) for a, b in neighbours(t2, made)]
    assert len(found) >= 8 and np.median(found) >= 0.9, np.round(found, 2)
    likeness = [
        np.corrcoef(a["image/data"].ravel(), b["image/data"].ravel())[0, 1]
        for a, b in neighbours(axial, made)
    ]
    assert np.median(likeness) > 0.95


def write_sagittal(source: pathlib.Path, target: pathlib.Path, *, step_mm: float) -> None:
    """Writes an axial series anew as a sagittal 3D series of isotropic voxels."""
    images = [pydicom.dcmread(path) for path in sorted(source.iterdir())]
    row, column = np.reshape(images[0].ImageOrientationPatient, (2, 3)).astype(float)
    normal = np.cross(row, column)
    images.sort(key=lambda d: normal @ np.array(d.ImagePositionPatient, float))
    volume = np.stack([d.pixel_array for d in images]).astype(np.float32)
    corner, last = (np.array(d.ImagePositionPatient, float) for d in (images[0], images[-1]))
    down, across = map(float, images[0].PixelSpacing)
    through = normal @ (last - corner) / (len(images) - 1)
    sides = np.array([down, across]) * volume.shape[1:]
    middle = (corner + last + column * sides[0] + row * sides[1]) / 2
    count = int(max(sides) / step_mm)
    offsets = (np.arange(count) - (count - 1) / 2) * step_mm
    y, z = np.meshgrid(middle[1] + offsets, middle[2] - offsets)  # columns to the back, rows down
    target.mkdir(parents=True)
    for number, x in enumerate(middle[0] + offsets):
        points = np.stack([np.full_like(y, x), y, z], -1) - corner
        voxels = np.stack(
            [points @ normal / through, points @ column / down, points @ row / across]
        )
        dataset = pydicom.dcmread(sorted(source.iterdir())[0])
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        sampled = ndimage.map_coordinates(volume, voxels, order=1)
        dataset.PixelData = np.rint(sampled).astype(images[0].pixel_array.dtype).tobytes()
        dataset.Rows = dataset.Columns = count
        dataset.PixelSpacing = [step_mm, step_mm]
        dataset.SliceThickness = dataset.SpacingBetweenSlices = step_mm
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [round(float(v), 4) for v in (x, y[0, 0], z[0, 0])]
        dataset.MRAcquisitionType = "3D"
        dataset.SOPInstanceUID += f".{number}"
        dataset.SeriesInstanceUID += ".9"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(target / f"{number:03d}")


@needs_mri
def test_the_output_verifies(converted):
    result, _ = converted
    assert list(output_check.check(result.directory, search.Needles([]))) == []


@needs_mri
def test_no_planted_identifier_leaves_the_studies(converted):
    result, _ = converted
    words = planted_words(MRI / "canaries.json")
    words = {word for word in words if len(word) > 5 and word != "Canary"}
    assert len(words) > 100
    texts = {name: content for name, content in result.files().items() if "tfrecord" not in name}
    texts["records"] = b"".join(
        np.asarray(value).tobytes()
        for record in result.records()
        for name, value in record.items()
        if name != "image/data"
    )
    texts["names"] = "".join(result.files()).encode()
    for word in words:
        for text in (word, word[::-1], word.lower()):
            for form in (text.encode(), text.encode("utf-16-le"), text.encode().hex().encode()):
                assert not [name for name, content in texts.items() if form in content]
    for path in result.directory.glob("*.tfrecord"):
        content = path.read_bytes()
        assert not [word for word in words if word.encode() in content]


def series_of(root):
    """Real files, one per series."""
    first = {}
    with silence.silenced():
        for item in walk.walk([root]):
            blob = hygiene.isolated(item.read)
            frames = hygiene.isolated(read, blob) if isinstance(blob, bytes) else []
            if isinstance(frames, list):
                for frame in frames:
                    first.setdefault(frame.series, (os.fsdecode(item.path), blob, frame))
    return list(first.values())


def read(blob):
    return headers.read(blob, 0, Pseudonyms(KEY), Reading(allow_derived=True))


@needs_mri
@pytest.mark.parametrize("case", list(CASES.values()))
def test_gdcm_reads_the_same_stored_values(case):
    compared = 0
    for path, blob, frame in series_of(MRI / "dicom" / case / "study1"):
        reader = gdcm.ImageReader()
        reader.SetFileName(path)
        if not reader.Read():
            continue
        image = reader.GetImage()
        buffer = image.GetBuffer().encode("utf-8", "surrogateescape")
        theirs = np.frombuffer(buffer, "<i2" if frame.layout.signed else "<u2")
        shape = (-1, frame.layout.rows, frame.layout.columns)
        theirs = theirs.reshape(shape)[frame.frame_index]
        ((ours, _),) = pixels.decode(blob, [frame.frame_index], frame.layout)
        np.testing.assert_array_equal(ours, theirs)
        compared += 1
    assert compared >= 2


@needs_zoo
def test_of_the_scanners_test_images_none_is_t2_or_flair(tmp_path):
    with pytest.raises(UserError, match="Nothing was converted") as caught:
        run.run(config(tmp_path, ZOO))
    assert caught.value.exit_code == 3
    result = Result(tmp_path / "out")
    files = sum(path.is_file() for path in ZOO.rglob("*"))
    assert sum(result.reasons.values()) == files == len(result.lines("audit.jsonl"))
    assert set(result.reasons) == {"dwi", "mosaic", "not_dicom", "too_few_slices"}
    assert result.lines("quarantine.jsonl") == []


@needs_zoo
def test_nothing_of_them_is_lost_where_everything_is_asked_for(tmp_path):
    """Diffusion, derived images and other planes too: still no T2, no FLAIR, and each counted."""
    everything = ",".join(SEQUENCES)
    flags = (f"--keep_sequences={everything}", "--allow_derived", "--reformat_3d")
    with contextlib.suppress(UserError):
        run.run(config(tmp_path, ZOO, *flags))
    result = Result(tmp_path / "out")
    files = sum(path.is_file() for path in ZOO.rglob("*"))
    assert sum(result.reasons.values()) == files == len(result.lines("audit.jsonl"))
    for row in result.series:
        assert row["reason"] or row["proposed"] not in ("t2", "flair"), row
        assert row["decision"] in ("converted", "skipped", "quarantined")


@needs_zoo
def test_compressed_test_images_decode_as_gdcm_does():
    compared = set()
    for path, blob, frame in series_of(ZOO):
        if not pixels.DECODERS[pydicom.uid.UID(frame.layout.transfer_syntax)]:
            continue
        reader = gdcm.ImageReader()
        reader.SetFileName(path)
        assert reader.Read()
        buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
        theirs = np.frombuffer(buffer, "<u2").reshape(frame.layout.rows, frame.layout.columns)
        ((ours, _),) = pixels.decode(blob, [0], frame.layout)
        np.testing.assert_array_equal(ours, theirs)
        compared.add(frame.layout.transfer_syntax)
    assert compared == {"1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"}
