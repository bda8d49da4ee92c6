"""tools/make_phantom.py as a command: same flags same bytes, refusals, exit codes."""

import os
import subprocess
import sys

import nibabel
import numpy as np
import pydicom
import pytest
from places import ROOT

from tfcyclegan.config import PhantomConfig
from tfcyclegan.errors import UserError
from tfcyclegan.imaging.nifti import table
from tools import make_phantom


def test_same_seed_same_bytes(tmp_path):
    contents = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        output = tmp_path / name
        config = PhantomConfig(output=str(output), matrix=64, slices=6, seed=seed, patients=3)
        make_phantom.main(config)
        files = sorted(f for f in output.rglob("*") if f.is_file())
        contents.append({str(f.relative_to(output)): f.read_bytes() for f in files})
    assert len(contents[0]) == 6 * 4 + 2 + 9
    assert contents[0] == contents[1]
    assert contents[0].keys() == contents[2].keys()
    dicom = [name for name in contents[0] if name.endswith(".dcm")]
    assert all(contents[0][name] != contents[2][name] for name in dicom)


def test_nifti_images_are_the_dicom_pixels_and_the_table_names_all_files(tmp_path):
    made = PhantomConfig(output=str(tmp_path / "p"), matrix=64, slices=5, patients=1, nifti=True)
    make_phantom.main(made)
    truth = tmp_path / "p" / "truth"
    objects = table.read(truth / "volumes.csv", "axial")
    assert {os.fsdecode(one.path) for one in objects} == set(map(str, truth.glob("*.nii.gz")))
    assert len(objects) == 2 + 2 * 3 and not any(one.refused for one in objects)
    for sequence in ("t2", "flair"):
        files = map(pydicom.dcmread, (tmp_path / "p/patient001" / sequence).iterdir())
        files = sorted(files, key=lambda one: one.ImagePositionPatient[2])
        image = nibabel.load(truth / f"patient001_{sequence}.nii.gz")
        stack = np.stack([one.pixel_array for one in files])
        np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(), stack)
        # RAS of the first voxel is that of DICOM's LPS.
        x, y, z = files[0].ImagePositionPatient
        np.testing.assert_allclose(image.affine[:3, 3], (-x, -y, z), atol=1e-4)


def test_used_directory_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="--output must be a new or empty directory. Received: "):
        make_phantom.main(PhantomConfig(output=str(tmp_path)))
    with pytest.raises(UserError, match="which is a file"):
        make_phantom.main(PhantomConfig(output=str(tmp_path / "notes.txt")))
    assert [f.name for f in tmp_path.iterdir()] == ["notes.txt"]


def test_command_line(tmp_path):
    command = [sys.executable, "tools/make_phantom.py", f"--output={tmp_path / 'new'}"]
    command += ["--patients=1", "--matrix=64", "--slices=5"]
    dry = subprocess.run([*command, "--dry_run"], cwd=ROOT, capture_output=True, text=True)
    assert dry.returncode == 0 and "--patients=1" in dry.stdout
    assert not (tmp_path / "new").exists()
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert first.returncode == 0 and "patient 1/1: explicit, 5 slices" in first.stdout
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert again.stderr.startswith("error: --output must be a new or empty directory")
