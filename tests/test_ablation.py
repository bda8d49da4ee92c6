"""A study from its file to its table, by the command itself: a tiny recipe and one that fails."""

import json
import pathlib
import subprocess
from types import SimpleNamespace

import pytest
from conftest import TINY_RUN, command
from matplotlib import image as pictures

ROOT = pathlib.Path(__file__).resolve().parent.parent
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

[[variants]]
name = "lonely"
flags = ["--strategy=multi_worker"]

[[external]]
name = "again"
data_dir = "{dataset}"
split = "val"
"""


@pytest.fixture(scope="module")
def made(dataset, tmp_path_factory):
    """What the command says of a new study, and again; and where it wrote."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(STUDY.format(dataset=dataset, flags=json.dumps(FLAGS)))
    words = (f"--study={folder / 'study.toml'}", f"--output={folder / 'out'}")

    def run(*flags: str):
        line = command("tools/ablation.py", *words, *flags)
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)

    dry = run("--dry_run")
    assert not (folder / "out").exists()
    return SimpleNamespace(dry=dry, first=run(), again=run(), output=folder / "out")


def test_a_dry_run_lists_the_runs(made):
    assert made.dry.returncode == 0
    assert made.dry.stdout.splitlines()[-5:] == [
        "tiny: 4 runs, 4 left",
        "plain fold 0 seed 3",
        "lonely fold 0 seed 3",
        "plain fold 1 seed 3",
        "lonely fold 1 seed 3",
    ]


def test_what_works_is_in_the_table_and_what_fails_is_told(made):
    assert made.first.returncode == 1 and "Traceback" not in made.first.stderr
    last = made.first.stderr.splitlines()[-1]
    assert last.startswith("error: 2 of 4 runs failed: lonely fold 0 seed 3, lonely fold 1 seed 3.")
    table = json.loads((made.output / "table.json").read_text())
    assert table["runs"] == {"planned": 4, "done": 2}
    assert table["variants"]["plain"]["steps"] == 4 and table["variants"]["lonely"]["trained"] == 0
    assert "TF_CONFIG" in table["failed"]["lonely fold 0 seed 3"]
    psnr = table["sets"]["test"]["a_to_b"]["psnr_volume"]
    # All seven patients of the records are in the test of one fold.
    assert psnr["plain"]["n_patients"] == psnr["copy_source"]["n_patients"] == 7
    assert list(psnr["plain"]["seeds"]) == ["3"] and psnr["plain"]["seed_sd"] is None
    assert psnr["lonely"]["value"] is None and psnr["lonely"]["reason"] == "no finished run"
    assert table["sets"]["again"]["b_to_a"]["psnr_volume"]["plain"]["n_patients"] == 2
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


def test_the_sheet_shows_source_variants_and_real_in_both_directions(made):
    assert pictures.imread(made.output / "sheet.png").shape[0] > 300


def test_a_second_call_does_what_failed_and_nothing_else(made):
    assert made.again.returncode == 1
    assert "tiny: 4 runs, 2 left" in made.again.stdout
    assert "plain fold 0 seed 3: " not in made.again.stdout
