"""Studies that went through Debian's Orthanc or dcmtk convert to the same records.

A phantom study is pushed to an archive server over DICOM, downloaded as a ZIP, and converted; or it
is compressed by dcmtk. Where a program is missing its tests are skipped; .ci/run installs all of
them. What dicom3tools says of the phantom is in test_phantom.py.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ingest_runs import Result, convert
from orthanc_server import Orthanc, program
from places import ROOT

SLICES = 6
EVERY_SLICE = "--min_foreground=0"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> pathlib.Path:
    """A phantom study: T2 and FLAIR of one patient."""
    folder = tmp_path_factory.mktemp("phantom") / "studies"
    flags = ["--patients=1", f"--slices={SLICES}", "--matrix=64", f"--output={folder}"]
    command = [sys.executable, ROOT / "tools" / "make_phantom.py", *flags]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return folder / "patient001"


@pytest.fixture(scope="module")
def direct(phantom, tmp_path_factory) -> Result:
    code, result = convert(tmp_path_factory.mktemp("direct"), phantom, EVERY_SLICE)
    assert code == 0 and result.reasons == {"": 2 * SLICES}
    return result


def assert_same(result: Result, expected: Result) -> None:
    """Compares all that is in the records: pixels, classes, physics, geometry and ids."""
    for found, wanted in zip(result.records(), expected.records(), strict=True):
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.fixture(scope="module")
def archive(phantom, tmp_path_factory) -> pathlib.Path:
    """The ZIP that Orthanc makes of the study that storescu pushed."""
    folder = tmp_path_factory.mktemp("orthanc")
    server = Orthanc(folder)
    try:
        server.wait()
        server.receive(phantom)
        assert json.loads(server.get("statistics"))["CountInstances"] == 2 * SLICES
        (study,) = json.loads(server.get("studies"))
        (folder / "study.zip").write_bytes(server.get(f"studies/{study}/archive"))
    finally:
        server.stop()
    return folder / "study.zip"


def test_what_orthanc_archived_converts_the_same(archive, direct, tmp_path):
    with zipfile.ZipFile(archive) as members:
        members.extractall(tmp_path / "in")
    code, result = convert(tmp_path, tmp_path / "in", EVERY_SLICE)
    assert code == 0
    assert_same(result, direct)


def test_the_archive_itself_converts_the_same(archive, direct, tmp_path):
    code, result = convert(tmp_path, archive, EVERY_SLICE)
    assert code == 0
    assert_same(result, direct)


def packed(phantom, folder: pathlib.Path, name: str, *options: str) -> pathlib.Path:
    """Runs a coder of dcmtk on every file of the study."""
    coder = program(name)
    for path in sorted(phantom.rglob("*.dcm")):
        target = folder / path.relative_to(phantom)
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([coder, *options, path, target], check=True, capture_output=True)
    return folder


CODERS = [("dcmcrle",), ("dcmcjpls",), ("dcmcjpeg", "+e1")]


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder[0])
def test_what_dcmtk_compressed_converts_the_same(phantom, direct, tmp_path, coder):
    code, result = convert(tmp_path, packed(phantom, tmp_path / "in", *coder), EVERY_SLICE)
    assert code == 0
    assert_same(result, direct)


def test_what_dcmtk_decompressed_again_converts_the_same(phantom, direct, tmp_path):
    jpeg = packed(phantom, tmp_path / "jpeg", "dcmcjpeg", "+e1")
    code, result = convert(tmp_path, packed(jpeg, tmp_path / "in", "dcmdjpeg"), EVERY_SLICE)
    assert code == 0
    assert_same(result, direct)


def test_lossy_jpeg_of_dcmtk_is_quarantined(phantom, tmp_path):
    lossy = packed(phantom / "t2", tmp_path / "in" / "t2", "dcmcjpeg", "+ee")
    shutil.copytree(phantom / "flair", lossy.parent / "flair")
    code, result = convert(tmp_path, lossy.parent, EVERY_SLICE)
    assert code == 4 and result.reasons == {"": SLICES, "lossy": SLICES}
