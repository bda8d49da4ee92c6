"""A translation that is killed goes on: complete, nothing twice, the same bytes as undisturbed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from dicom_studies import write_study
from ingest_runs import key_file
from mirror_models import negative, write_model
from places import ROOT

from tfcyclegan import translate
from tfcyclegan.config import TranslateConfig
from tfcyclegan.errors import UserError

PATIENTS = 12


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """(flags of a translation but for its output, folder of its key)."""
    folder = tmp_path_factory.mktemp("studies")
    for number in range(PATIENTS):
        write_study(folder / "in" / f"p{number}", patient=f"P{number}", rows=64, columns=64)
    model = write_model(folder / "model", negative, negative)
    flags = (f"--model={model}", f"--input={folder / 'in'}", "--text_guard=off")
    return (*flags, f"--key_file={key_file(folder)}"), folder


def run(flags, output) -> int:
    return translate.main(TranslateConfig.parse(*flags, f"--output={output}"))


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "translation.jsonl"
    }


def lines_of(folder: pathlib.Path) -> list[str]:
    path = folder / "translation.jsonl"
    return sorted(path.read_text().splitlines()) if path.exists() else []


@pytest.fixture(scope="module")
def undisturbed(studies):
    assert run(studies[0], studies[1] / "whole") == 0
    return studies[1] / "whole"


def test_killed_in_the_middle_and_run_again(studies, undisturbed, tmp_path):
    command = [sys.executable, "-m", "tfcyclegan.translate", *studies[0], f"--output={tmp_path}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet)
    deadline = time.monotonic() + 120
    while len(lines_of(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(lines_of(tmp_path))
    assert 2 <= done < PATIENTS, "killed in the middle"
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("IM0001.dcm")}
    # What a kill while a series or a line is written leaves behind.
    (tmp_path / "study" / ".series.tmp-1").mkdir(parents=True)
    with (tmp_path / "translation.jsonl").open("a") as file:
        file.write('{"inputs": "half a li')
    assert run(studies[0], tmp_path) == 0
    (tmp_path / "study").rmdir()
    assert files_of(tmp_path) == files_of(undisturbed)
    assert lines_of(tmp_path) == lines_of(undisturbed)
    untouched = [path for path, at in kept.items() if path.stat().st_mtime_ns == at]
    assert len(untouched) >= done, "what was finished is not made again"


def test_finished_and_run_again_it_does_nothing(studies, undisturbed, capsys):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.dcm")}
    assert run(studies[0], undisturbed) == 0
    assert f"{PATIENTS} series are finished already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.dcm")} == before


def test_a_series_that_was_removed_or_whose_source_changed_is_made_again(studies, tmp_path):
    flags = (*studies[0][:1], f"--input={tmp_path / 'in'}", *studies[0][2:])
    write_study(tmp_path / "in", patient="P0")
    write_study(tmp_path / "in" / "more", patient="P1")
    assert run(flags, tmp_path / "out") == 0
    whole = files_of(tmp_path / "out")
    lost = next((tmp_path / "out").rglob("IM0001.dcm")).parent
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    assert run(flags, tmp_path / "out") == 0
    assert files_of(tmp_path / "out") == whole
    write_study(tmp_path / "in", patient="P0", values=lambda points: points.sum(-1) + 500)
    assert run(flags, tmp_path / "out") == 0
    made = files_of(tmp_path / "out")
    assert made.keys() == whole.keys()
    assert sum(made[n] != whole[n] for n in made if n.endswith(".dcm")) == 6


def test_another_model_or_key_is_refused_and_a_fresh_key_forgotten(studies, tmp_path):
    write_study(tmp_path / "in")
    model, _, *rest = studies[0]
    flags = (model, f"--input={tmp_path / 'in'}", *rest)
    assert run(flags, tmp_path / "out") == 0
    with pytest.raises(UserError, match="another model, key") as caught:
        run((*flags, "--audit"), tmp_path / "out")
    assert caught.value.exit_code == 8
    assert run(flags[:-1], tmp_path / "fresh") == 0
    assert not (tmp_path / "fresh" / ".key").exists()
    with pytest.raises(UserError, match="whose key is not here"):
        run(flags[:-1], tmp_path / "fresh")
    state = json.loads((tmp_path / "fresh" / "translation.json").read_text())
    assert (
        state["key_id"] != json.loads((tmp_path / "out" / "translation.json").read_text())["key_id"]
    )
