"""What others say of a derived series: dicom3tools, dcm2niix, and an archive that has its source.

Where a program is missing its tests are skipped; .ci/run installs all of them.
"""

import collections
import json
import pathlib
import subprocess
import sys

import nibabel
import numpy as np
import pydicom
import pytest
from mirror_models import negative, write_model
from orthanc_server import Orthanc, program
from places import ROOT

from tfcyclegan import translate
from tfcyclegan.config import TranslateConfig

SLICES = 6
ENCODINGS = ("patient001", "patient002", "patient003")


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> pathlib.Path:
    """Phantom patients: explicit, implicit, and Enhanced MR."""
    folder = tmp_path_factory.mktemp("phantom") / "studies"
    flags = [f"--patients={len(ENCODINGS)}", f"--slices={SLICES}", "--matrix=64"]
    command = [sys.executable, ROOT / "tools" / "make_phantom.py", *flags, f"--output={folder}"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    return write_model(tmp_path_factory.mktemp("model"), negative, negative)


def run(model, source, output, identity: str) -> int:
    arguments = (f"--model={model}", f"--input={source}", f"--output={output}", "--audit")
    return translate.main(TranslateConfig.parse(*arguments, f"--identity={identity}"))


@pytest.fixture(scope="module")
def derived(studies, model, tmp_path_factory) -> dict:
    """(identity, encoding) to the folder of the translated study."""
    folder = tmp_path_factory.mktemp("derived")
    found = {}
    for identity in ("replaced", "source"):
        for name in ENCODINGS:
            found[identity, name] = folder / identity / name
            assert run(model, studies / name, found[identity, name], identity) == 0
    return found


def series_in(folder: pathlib.Path, start: str) -> list[pathlib.Path]:
    """Files of the series whose description starts so, lowest slice first."""
    files = sorted(folder.rglob("*.dcm"))
    return [p for p in files if pydicom.dcmread(p).SeriesDescription.startswith(start)]


@pytest.mark.parametrize("identity", ["replaced", "source"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_dciodvfy_finds_no_error(derived, identity, name):
    validator = program("dciodvfy")
    files = list(derived[identity, name].rglob("*.dcm"))
    assert len(files) == 2 * SLICES
    for path in files:
        done = subprocess.run([validator, "-new", path], capture_output=True, text=True)
        report = (done.stdout + done.stderr).splitlines()
        assert "MRImage" in report
        assert not [line for line in report if line.startswith(("Error", "Abort"))]


def likeness(truth: np.ndarray, made) -> float:
    return float(np.corrcoef(truth.ravel(), made.get_fdata().ravel())[0, 1])


@pytest.mark.parametrize("name", ENCODINGS)
def test_dcm2niix_puts_it_where_its_source_is(studies, derived, tmp_path, name):
    converter = program("dcm2niix")
    (tmp_path / "in").mkdir()
    for path in series_in(derived["replaced", name], "SYNTHETIC"):
        (tmp_path / "in" / path.name).symlink_to(path)
    volumes = []
    for source in (studies / name / "t2", tmp_path / "in"):
        out = tmp_path / f"out{len(volumes)}"
        out.mkdir()
        flags = ["-z", "n", "-b", "n", "-f", "out", "-o", str(out)]
        subprocess.run([converter, *flags, str(source)], check=True, capture_output=True)
        volumes.append(nibabel.load(out / "out.nii"))
    source, made = volumes
    np.testing.assert_allclose(made.affine, source.affine, atol=1e-3)
    assert made.shape == source.shape
    voxels = source.get_fdata()
    lo, hi = np.percentile(voxels, (0.5, 99.5))
    truth = 1 - np.clip((voxels - lo) / (hi - lo), 0, 1)
    # Resampling there and back smooths edges; a head that is turned or moved correlates less.
    assert likeness(truth, made) > 0.98
    moved = [np.roll(truth, step, axis) for axis in range(3) for step in (-1, 1)]
    turned = [np.flip(truth, axis) for axis in range(3)]
    assert max(likeness(other, made) for other in moved + turned) < 0.97


def test_an_archive_shows_the_derived_series_beside_its_source(studies, model, tmp_path):
    """Received, translated, sent back: one study, and the new series in its place."""
    server = Orthanc(tmp_path)
    try:
        server.wait()
        server.receive(studies / ENCODINGS[0])
        (study,) = json.loads(server.get("studies"))
        (tmp_path / "study.zip").write_bytes(server.get(f"studies/{study}/archive"))
        assert run(model, tmp_path / "study.zip", tmp_path / "out", "source") == 0
        server.receive(tmp_path / "out" / "dicom")
        assert json.loads(server.get("studies")) == [study]
        found = json.loads(server.get(f"studies/{study}/series"))
        tags = {s["MainDicomTags"]["SeriesDescription"]: s for s in found}
        assert len(found) == 4 and all(len(s["Instances"]) == SLICES for s in found)
        new = tags["SYNTHETIC FLAIR from T2 - NOT FOR DIAGNOSIS"]
        places = collections.defaultdict(set)
        for series in (new, tags["t2_tse_tra"]):
            for instance in series["Instances"]:
                tag = json.loads(server.get(f"instances/{instance}/simplified-tags"))
                text = tag["ImagePositionPatient"] + "\\" + tag["ImageOrientationPatient"]
                place = tuple(round(float(number), 6) for number in text.split("\\"))
                places[series["ID"]].add((tag["FrameOfReferenceUID"], *place))
        one, other = places.values()
        assert one == other and len(one) == SLICES
    finally:
        server.stop()
