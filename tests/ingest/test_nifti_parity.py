"""One head, once as DICOM and once as NIfTI, gives the same records; and its slices pair."""

import nibabel
import numpy as np
import pytest
from ingest_runs import convert, key_file
from nifti_volumes import convert_table, image, mask_of, row, write, write_table
from places import MRI, needs_mri

from tfcyclegan.data import manifest, pairing
from tfcyclegan.data import slices as data_slices
from tfcyclegan.imaging.phantom import dicom, studies
from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.head import simulate
from tfcyclegan.imaging.phantom.scanner import scan


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A simulated patient as DICOM and as NIfTI with its truth, converted both ways."""
    folder = tmp_path_factory.mktemp("phantom")
    grid = Grid(96, 8)
    truth = simulate(grid, np.random.default_rng(1))
    exam = studies.examine(0, 1, grid, np.random.default_rng(2))
    rows = []
    studies.write_nifti(folder / "lesions.nii.gz", truth.lesions.astype(np.uint8), exam)
    studies.write_nifti(folder / "brain.nii.gz", truth.brain.astype(np.uint8), exam)
    studies.write_nifti(folder / "ventricles.nii.gz", truth.ventricles.astype(np.uint8), exam)
    for sequence, series in scan(truth.fractions, grid, np.random.default_rng(3)).items():
        dicom.write_series(folder / "in" / sequence, exam, series, np.random.default_rng(4))
        path = write(image(series.pixels.transpose(), exam.affine()), folder / f"{sequence}.nii.gz")
        masks = {"lesion_mask": "lesions.nii.gz", "brain_mask": "brain.nii.gz"}
        masks["ventricle_mask"] = "ventricles.nii.gz"
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
        data_slices.load_slices(
            str(nifti.directory), shards, split="train", sequence=sequence, image_size=256
        )
        for sequence in ("t2", "flair")
    ]
    pairs = pairing.pair(*slices)
    assert len(pairs) == len(slices[0]) >= 7 and pairs.unpaired_a == pairs.unpaired_b == 0
    for t2, flair in zip(nifti.records("t2"), nifti.records("flair"), strict=True):
        assert t2["mask/lesion"] == flair["mask/lesion"] and t2["mask/brain"] != b""
    for name in ("lesion", "ventricle"):
        assert any(mask_of(r, name).any() for r in nifti.records("t2"))


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
