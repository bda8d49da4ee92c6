"""A study from its file to its table, once with real commands; their failures with stand-ins."""

import json
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
from matplotlib import image as pictures
from places import ROOT
from tiny_runs import TINY_RUN

from tfcyclegan.config import AblationConfig
from tfcyclegan.errors import UserError
from tfcyclegan.experiments.ablation import run as ablation
from tfcyclegan.experiments.ablation import runs as ablation_runs

SET_BY_THE_BENCH = ("--steps_per_epoch", "--validate_every")
FLAGS = [flag for flag in TINY_RUN if not flag.startswith(SET_BY_THE_BENCH)]
STUDY = """
title = "tiny"
data_dir = "{dataset}"
folds = 2
seeds = [3]
steps = 4
epochs = 2
reference = "plain"
flags = {flags}

[[variants]]
name = "plain"
"""


def write(folder: pathlib.Path, dataset: pathlib.Path, more: str = "") -> list[str]:
    """Writes a study and returns the flags that run it."""
    text = STUDY.format(dataset=dataset, flags=json.dumps(FLAGS)) + more
    (folder / "study.toml").write_text(text)
    return [f"--study={folder / 'study.toml'}", f"--output={folder / 'out'}"]


@pytest.fixture(scope="module")
def made(dataset, tmp_path_factory, forked_python):
    """What the command says of a new study, and of a finished one; and where it wrote.

    The first start and all that it starts are forked, the second is as a user's.
    """
    folder = tmp_path_factory.mktemp("study")
    words = write(folder, dataset)

    def run(python: str, *flags: str):
        line = [python, "tools/ablation.py", *words, *flags]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)

    return SimpleNamespace(
        first=run(forked_python), again=run(sys.executable, "--dry_run"), output=folder / "out"
    )


def test_the_table_has_every_patient_and_copy_source(made):
    assert made.first.returncode == 0, made.first.stderr
    table = json.loads((made.output / "table.json").read_text())
    assert table["runs"] == {"planned": 2, "done": 2} and table["failed"] == {}
    assert table["variants"]["plain"]["steps"] == 4
    psnr = table["sets"]["test"]["a_to_b"]["psnr_volume"]
    # All seven patients of the records are in the test of one fold.
    assert psnr["plain"]["n_patients"] == psnr["copy_source"]["n_patients"] == 7
    assert list(psnr["plain"]["seeds"]) == ["3"] and psnr["plain"]["seed_sd"] is None
    text = (made.output / "table.md").read_text()
    assert text.strip() in made.first.stdout and "Pictures in this directory show patients" in text


def test_runs_and_evaluations_say_their_fold(made):
    splits = set()
    for fold in (0, 1):
        folder = made.output / "runs" / "plain" / f"fold{fold}-seed3"
        described = json.loads((folder / "workdir" / "run.json").read_text())
        report = json.loads((folder / "eval" / "metrics.json").read_text())
        assert (described["folds"], described["fold"], described["seed"]) == (2, fold, 3)
        assert (report["model"]["folds"], report["model"]["fold"]) == (2, fold)
        assert report["leakage"]["passed"] and report["leakage"]["splits"] == ["test", "train"]
        assert described["split_hash"] == report["split_hash"]
        assert report["n_patients"] == 4 - fold
        splits.add(report["split_hash"])
    assert len(splits) == 2


def test_the_sheet_is_drawn_and_a_finished_study_has_nothing_left(made):
    assert pictures.imread(made.output / "sheet.png").shape[0] > 300
    assert made.again.returncode == 0 and "tiny: 2 runs, 0 left" in made.again.stdout


def test_a_finished_study_with_other_flags_is_refused_before_anything_runs(made):
    path = made.output.parent / "study.toml"
    text = path.read_text()
    path.write_text(text + 'flags = ["--cycle_weight=7"]\n')
    words = [f"--study={path}", f"--output={made.output}"]
    told = "^plain fold 0 seed 3 was begun otherwise: --cycle_weight was .* and is 7.0"
    with pytest.raises(UserError, match=told) as caught:
        ablation.run(AblationConfig.parse(*words))
    assert caught.value.exit_code == 8
    path.write_text(text)
    ablation.run(AblationConfig.parse(*words, "--dry_run"))


OTHER = '[[variants]]\nname = "other"\n'


def stand_in(monkeypatch, code: str) -> None:
    """Replaces training and evaluation by a script."""
    monkeypatch.setattr(ablation_runs, "command", lambda *_: [sys.executable, "-c", code])


def test_a_failure_is_told_and_the_others_run(dataset, tmp_path, monkeypatch, capsys):
    config = AblationConfig.parse(*write(tmp_path, dataset, OTHER))
    stand_in(monkeypatch, "print('error: no luck'); raise SystemExit(1)")
    with pytest.raises(UserError, match="4 of 4 runs failed: plain fold 0 seed 3, other") as caught:
        ablation.run(config)
    assert caught.value.exit_code == 1
    told = capsys.readouterr().err.splitlines()
    assert told[1] == "other fold 0 seed 3: error: no luck" and len(told) == 4
    failed = json.loads((tmp_path / "out" / "table.json").read_text())["failed"]
    assert failed["other fold 1 seed 3"] == "error: no luck"


def test_a_budget_that_is_used_up_names_what_is_left(dataset, tmp_path, monkeypatch):
    flags = [*write(tmp_path, dataset, OTHER), f"--budget_minutes={2 / 60}"]
    stand_in(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(UserError, match="4 of 4 runs left: plain fold 0 seed 3, other") as caught:
        ablation.run(AblationConfig.parse(*flags))
    assert caught.value.exit_code == 11 and "The same command continues" in str(caught.value)


def test_missing_records_and_too_many_folds_are_told_before_anything_runs(dataset, tmp_path):
    flags = write(tmp_path, tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere, which does not exist"):
        ablation.run(AblationConfig.parse(*flags))
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(dataset=dataset, flags="[]").replace("folds = 2", "folds = 8"))
    with pytest.raises(UserError, match="at most as many folds as patients, 7"):
        ablation.run(AblationConfig.parse(*flags))
    assert not (tmp_path / "out").exists()
