"""tools/make_phantom.py as a command: same flags same bytes, refusals, exit codes."""

import importlib
import pathlib
import subprocess
import sys

import pytest

from tfcyclegan.config import PhantomConfig
from tfcyclegan.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
make_phantom = importlib.import_module("make_phantom")


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
