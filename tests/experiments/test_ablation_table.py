"""The table of a study, from evaluations whose means, spreads and intervals are known by hand."""

import json
import math
import shutil

import pytest
from ablation_studies import finish, study

from tfcyclegan.errors import UserError
from tfcyclegan.evaluation.figures.entries import strict_json
from tfcyclegan.experiments.ablation import printed
from tfcyclegan.experiments.ablation import runs as ablation_runs
from tfcyclegan.experiments.ablation import study as ablation_study
from tfcyclegan.experiments.ablation import table as ablation_table

PSNR = {
    "plain": {0: {"p": 10.0, "q": 12.0, "r": 14.0}, 1: {"p": 11.0, "q": 13.0, "r": 15.0}},
    "better": {0: {"p": 12.0, "q": 14.0, "r": 16.0}, 1: {"p": 15.0, "q": 17.0, "r": 19.0}},
}
"""Variant to seed to patient: better is 2 dB better with seed 0, and 4 dB with seed 1."""
COPY = {"p": 9.0, "q": 9.0, "r": 12.0}
RATIO = "ventricle_contrast_log_ratio"


@pytest.fixture
def made(tmp_path):
    runs = ablation_runs.plan(study(), tmp_path)
    for run in runs:
        ratio = {"p": 0.2, "q": 0.4, "r": 0.3 + 0.3 * run.seed}
        figures = {"psnr_volume": PSNR[run.variant.name][run.seed], RATIO: ratio}
        finish(run, figures, {"psnr_volume": COPY, RATIO: dict.fromkeys("pqr", -1.0)})
    return runs


def collect(runs, **changes):
    return ablation_table.collect(study(**changes), runs)


def test_means_spreads_and_paired_differences_by_hand(made):
    of = collect(made)["sets"]["test"]["a_to_b"]["psnr_volume"]
    plain, better = of["plain"], of["better"]
    # Patients over seeds: 10.5, 12.5, 14.5 and 13.5, 15.5, 17.5.
    assert (plain["value"], better["value"]) == (12.5, 15.5)
    assert plain["seeds"] == {"0": 12.0, "1": 13.0} and better["seeds"] == {"0": 14.0, "1": 17.0}
    assert plain["seed_sd"] == pytest.approx(math.sqrt(0.5))
    assert better["seed_sd"] == pytest.approx(math.sqrt(4.5))
    # 3 dB in each patient, so that every resampling says 3.
    assert better["difference"] == {"value": 3.0, "ci": [3.0, 3.0], "n_patients": 3}
    assert of["copy_source"]["value"] == 10.0 and of["copy_source"]["seed_sd"] == 0.0


def say(run, brain="estimated", name="test", **report):
    params = {"brain_mask": brain, "fluid": "a rule"}
    text = json.dumps({"schema_version": 2, "params": params, **report})
    (run.evaluation(name) / "metrics.json").write_text(text)


def test_evaluations_of_one_fold_by_different_rules_make_no_table(made):
    for run in made:
        say(run, "of the records" if run.fold else "estimated")
    text = printed.markdown(collect(made))
    assert "of one kind, and means mix them: estimated in folds [0]; of the records in fo" in text
    say(made[-1], "the head")
    told = "differ in the brain masks .*of the records, the head.*Remove eval from"
    with pytest.raises(UserError, match=told) as refused:
        collect(made)
    assert refused.value.exit_code == 8


def test_a_table_of_one_kind_says_nothing_of_it(made):
    assert "not of one kind" not in printed.markdown(collect(made))


def test_folds_by_different_rules_for_fluid_or_of_different_records_make_no_table(made):
    for other in ({"params": {"fluid": "another"}}, {"dataset_hash": "another"}):
        for run in made:
            say(run, **(other if run.fold else {}))
        with pytest.raises(UserError, match="make no table.*(rule for fluid|records).*another"):
            collect(made)


def test_other_records_are_judged_by_one_rule_in_all_folds(made):
    for run in made:
        shutil.copytree(run.evaluation("test"), run.evaluation("b"))
        say(run, "of the records" if run.fold else "estimated", "b")
    with pytest.raises(UserError, match="evaluations of b make no table.*the brain masks"):
        collect(made, external=(ablation_study.External("b", "records", "test"),))


def test_a_spread_over_seeds_needs_no_copy_source(made):
    for run in made:
        path = run.evaluation("test") / "metrics_per_patient.csv"
        path.write_text(path.read_text().replace(",-1.0", ",0.0"))
    of = collect(made)
    better = of["sets"]["test"]["a_to_b"][RATIO]["better"]
    assert better["of_copy_source"] is None and better["seed_sd"] == pytest.approx(0.0707, abs=1e-4)
    assert "± 0.071" in printed.markdown(of)


def test_two_patients_have_the_interval_between_them():
    # Of resampled means a quarter is each of them and half their middle.
    made = ablation_table.interval({"p": 1.0, "q": 4.0})
    assert (made["value"], made["ci"], made["n_patients"]) == (2.5, [1.0, 4.0], 2)
    one = ablation_table.interval({"p": 1.0})
    assert one == {"value": 1.0, "ci": None, "reason": "one patient", "n_patients": 1}


def test_the_worst_seed_is_held_against_copy_source(made):
    of = collect(made)["sets"]["test"]["a_to_b"][RATIO]["better"]
    assert of["seeds"] == pytest.approx({"0": 0.3, "1": 0.4})
    assert of["of_copy_source"] == pytest.approx(0.4)


def test_a_half_finished_study_pairs_what_both_have(tmp_path):
    runs = ablation_runs.plan(study(), tmp_path)
    for run in runs[:5]:  # both folds of seed 0, and plain in fold 0 of seed 1
        finish(run, {"psnr_volume": PSNR[run.variant.name][run.seed]}, {"psnr_volume": COPY})
    collected = collect(runs)
    plain, better = (
        collected["sets"]["test"]["a_to_b"]["psnr_volume"][name] for name in ("plain", "better")
    )
    assert collected["runs"] == {"planned": 8, "done": 5}
    assert better["difference"]["value"] == 2.0, "seed 1 of plain has no partner"
    assert plain["seeds"] == {"0": 12.0} and plain["seed_sd"] is None, "seed 1 lacks a fold"
    assert plain["value"] == pytest.approx((10.5 + 12.5 + 14.0) / 3)


def test_nothing_finished_is_a_table_without_figures(tmp_path):
    runs = ablation_runs.plan(study(), tmp_path)
    collected = collect(runs)
    assert collected["sets"] == {"test": {}} and collected["variants"]["plain"]["steps"] is None
    assert "0 of 8 runs are done" in printed.markdown(collected)


def test_the_table_says_what_the_figures_are(made):
    made[3].note(failed="error: broken", trained=False)
    made[1].note(failed="error: mended since")
    collected = collect(made, phantom=False)
    text = printed.markdown(collected)
    assert json.loads(strict_json(collected))["variants"]["plain"] == {
        "trained": 4,
        "steps": 40,
        "minutes": 3.0,
        "seconds_per_step": None,
        "parameters": None,
        "trained_on_pairs": ["no pairs"],
    }
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[2] == "| plain | 4 | 40 | 3.0 | - | - | no pairs |"
    assert rows[4] == "| method | volume PSNR, dB | less plain | ventricles | less plain |"
    assert rows[6].startswith("| copy_source | 10 [9, 12] | -2.5 [-3.5, -1.5] | -1 [-1, -1] | ")
    assert rows[8].startswith("| better | 15.5 [13.5, 17.5] ± 2.1 | 3 [3, 3] | 0.35 [0.2, 0.45]")
    assert "± 0.071 (40%)" in rows[8]
    assert "Pictures in this directory show patients" in text
    assert "- failed: better fold 1 seed 0: error: broken" in text and "mended" not in text
    assert "Pictures" not in printed.markdown(collect(made))
