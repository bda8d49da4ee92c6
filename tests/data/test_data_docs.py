"""docs/data_format.md is the table of records.py and runs; docs/datasets.md and studies.md make
tables.
"""

import doctest
import re

import nibabel
import numpy as np
import pytest
from nifti_volumes import affine, convert_table, head, image, row, write, write_table
from places import DOCS

from tfcyclegan.data import records
from tfcyclegan.imaging.nifti import table
from tfcyclegan.ingest.account import ledger

FORMAT = (DOCS / "data_format.md").read_text()
DATASETS = (DOCS / "datasets.md").read_text()


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_every_feature_is_listed_with_its_type():
    listed = dict(re.findall(r"^\| `([a-z0-9/_]+)` \| ([a-z0-9]+(?:\[\d\])?) \|", FORMAT, re.M))
    expected = {
        name: field.kind + (f"[{field.length}]" if field.length > 1 else "")
        for name, field in records.whitelist(demographics=True).items()
    }
    assert listed == expected


@pytest.mark.parametrize(
    "name",
    [n for n, f in records.whitelist(demographics=True).items() if isinstance(f.allowed, tuple)],
)
def test_every_closed_name_is_listed(name):
    allowed = records.whitelist(demographics=True)[name].allowed
    line = re.search(rf"^\| `{name}` .*$", FORMAT, re.MULTILINE).group()
    assert all(re.search(rf"\b{value}\b", line) for value in allowed)


def test_every_column_of_the_reports_is_listed():
    text = FORMAT.partition("**series.csv**")[2].partition("\n\n")[0]
    words = re.findall(r"`(\w+)`", text.replace("`id/series`", ""))
    assert words == [*ledger.COLUMNS[:11], "gap", "reformatted", ledger.COLUMNS[11]]


def test_the_reading_code_runs_as_shown(tmp_path, monkeypatch):
    inside = np.ones((20, 24, 6), np.uint8)
    write(image(inside, affine((20, 24, 6), (8.0, 8.0, 12.0))), tmp_path / "mask.nii.gz")
    rows = []
    for number, sequence in enumerate(("t2", "flair")):
        path = write(head(seed=number), tmp_path / f"{sequence}.nii.gz")
        rows.append(row(path.name, sequence, lesion_mask="mask.nii.gz"))
    _, result = convert_table(tmp_path, write_table(tmp_path / "t.csv", rows))
    result.directory.rename(tmp_path / "RECORDS")
    monkeypatch.chdir(tmp_path)
    code = doctest.DocTestParser().get_doctest(
        "\n".join(blocks(FORMAT)), {}, "data_format.md", None, 0
    )
    assert len(code.examples) > 20
    assert doctest.DocTestRunner().run(code).failed == 0


TREES = {
    "MS3SEG": (
        "MRI_MS_Insights/Phase1_data_preprocessing/raw_data",
        [
            "MS_100_patient_preprocessed/101228/101228_FLAIR.nii.gz",
            "MS_100_patient_preprocessed/101228/101228_T2WI_reg.nii.gz",
            "MS_100_patient_masks/abWMH_Masks/101228/101228_abWMH_Mask.nii.gz",
        ],
        1,
    ),
    "open_ms_data": (
        "open_ms_data/cross_sectional/coregistered/patient07",
        ["FLAIR.nii.gz", "T2W.nii.gz", "T1W.nii.gz", "consensus_gt.nii.gz", "brainmask.nii.gz"],
        2,
    ),
    "longitudinal": (
        "open_ms_data/longitudinal/raw/patient01",
        ["study1_FLAIR.nii.gz", "study1_T2W.nii.gz", "study1_T1W.nii.gz", "gt.nii.gz"],
        0,
    ),
    "MSLesSeg": (
        "MSLesSeg Dataset/train/P25/T1",
        ["P25_T1_FLAIR.nii.gz", "P25_T1_T2.nii.gz", "P25_T1_T1.nii.gz", "P25_T1_MASK.nii.gz"],
        1,
    ),
    "BraTS": (
        "BraTS2021_Training_Data/BraTS2021_00000",
        [f"BraTS2021_00000_{n}.nii.gz" for n in ("flair", "t1", "t1ce", "t2", "seg")],
        1,
    ),
}
"""Folder, files and number of masks per image, in the order of the page's snippets."""


@pytest.mark.parametrize("number", range(len(TREES)), ids=list(TREES))
def test_each_snippet_lists_t2_and_flair_with_their_masks(tmp_path, monkeypatch, number):
    folder, names, masks = list(TREES.values())[number]
    for name in names:
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).touch()
    monkeypatch.chdir(tmp_path)
    assert len(blocks(DATASETS)) == len(TREES)
    exec(compile(blocks(DATASETS)[number], "datasets.md", "exec"), {})
    found = table.read(tmp_path / "volumes.csv", "axial")
    images = [item for item in found if hasattr(item, "sequence")]
    assert sorted(item.sequence for item in images) == ["flair", "t2"]
    assert len({(item.patient, item.study) for item in images}) == 1
    assert len(found) == 2 + 2 * masks and not any(item.refused for item in found)
    for item in images:
        assert (b"FLAIR" in item.path.upper().rpartition(b"/")[2]) == (item.sequence == "flair")


def test_the_first_snippet_of_the_studies_lists_images_with_masks_and_mirrors_two(
    tmp_path, monkeypatch
):
    voxels = np.zeros((6, 5, 4), np.uint8)
    voxels[1, 2, 3] = 1
    for case in ("case01", "case03", "case04"):
        for name in ("T2", "FLAIR", "lesion", "brain", "ventricles"):
            path = tmp_path / "shared" / "mri" / "nifti" / case / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            spacing = (1.0, 1.0, 3.0) if name in ("T2", "FLAIR") else (2.0, 1.0, 3.0)
            write(image(voxels, affine((6, 5, 4), spacing)), path)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    snippet, _ = blocks((DOCS / "studies.md").read_text())
    exec(compile(snippet, "studies.md", "exec"), {})
    made = tmp_path / "project" / "build" / "mri"
    found = table.read(made / "volumes.csv", "axial")
    assert len(found) == 2 * (1 + 3 + 1 + 1 + 1 + 3) and not any(item.refused for item in found)
    names = [item.name for item in found if hasattr(item, "name")]
    assert sorted(names) == sorted([*records.MASKS, *records.MASKS, "brain"] * 2)
    turned = nibabel.load(made / "case01_ventricles.nii.gz")
    assert np.argwhere(turned.get_fdata()).tolist() == [[4, 2, 3]]
    t2 = nibabel.load(tmp_path / "shared/mri/nifti/case01/T2.nii.gz")
    np.testing.assert_allclose(turned.affine, t2.affine)


def test_the_second_snippet_takes_for_brain_what_either_image_shows(tmp_path, monkeypatch):
    cases = tmp_path / "shared" / "mri" / "glioma"
    t2, flair, tumour = (np.zeros((6, 5, 4), np.int16) for _ in range(3))
    t2[1, 2, 3], flair[2, 2, 3], tumour[2, 2, 3] = 7, 9, 4
    for case, images in (("glioma01", (t2, flair, tumour)), ("glioma02", (t2, flair))):
        for name, voxels in zip(("T2", "FLAIR", "tumour"), images, strict=False):
            path = cases / case / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(image(voxels, affine((6, 5, 4), (1.0, 1.0, 3.0))), path)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    _, snippet = blocks((DOCS / "studies.md").read_text())
    exec(compile(snippet, "studies.md", "exec"), {})
    made = tmp_path / "project" / "build" / "mri"
    found = table.read(made / "glioma.csv", "axial")
    names = sorted(item.name for item in found if hasattr(item, "name"))
    assert names == ["brain"] * 4 + ["lesion"] * 2 and not any(item.refused for item in found)
    brain = nibabel.load(made / "glioma01_brain.nii.gz").get_fdata()
    assert np.argwhere(brain).tolist() == [[1, 2, 3], [2, 2, 3]]
