"""Distances of a study's table, from features whose distances the metrics know."""

import json

import numpy as np
import pytest
from ablation_studies import finish, study

from tfcyclegan import metrics
from tfcyclegan.evaluation import kernel_sums
from tfcyclegan.experiments.ablation import printed
from tfcyclegan.experiments.ablation import runs as ablation_runs
from tfcyclegan.experiments.ablation import table as ablation_table

PATIENTS = [b"p", b"q", b"r", b"s"]
OWNERS = PATIENTS * 5
SHIFT = {"plain": 0.0, "better": 0.5}


def features(seed: int, shift: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (20, 6))


def sums(run, owners=OWNERS) -> metrics.PatientKernelSums:
    """One real set for each fold; "better" is 0.5 away from it, and "plain" has its mean."""
    fake = features(100 + 10 * run.fold + run.seed, SHIFT[run.variant.name])
    return metrics.PatientKernelSums.of(features(run.fold, 0.0), OWNERS, fake, list(owners))


def made(tmp_path, owners=lambda run: OWNERS) -> tuple[list, dict]:
    runs, known = ablation_runs.plan(study(), tmp_path), {}
    for run in runs:
        finish(run, {"psnr_volume": {}}, {"psnr_volume": {}})
        of_run = sums(run, owners(run))
        kernel_sums.write(run.evaluation("test"), {"a_to_b": of_run})
        ones = [np.ones((1, n)) for n in (len(of_run.counts_real), len(of_run.counts_fake))]
        known[run.variant.name, run.fold, run.seed] = float(of_run.distances(*ones)[0])
        figures = {
            "kid_patient": {"value": known[run.variant.name, run.fold, run.seed], "ci": None},
            "fd_net": {"value": 2.0 + run.seed + SHIFT[run.variant.name], "ci": None},
            "fd_floor": {"value": 1.0 + run.fold, "ci": None},
        }
        copy = {"kid_patient": {"value": 7.0 + run.fold, "ci": None}}
        report = json.loads((run.evaluation("test") / "metrics.json").read_text())
        report["directions"] = {"a_to_b": {"model": figures, "copy_source": copy}}
        (run.evaluation("test") / "metrics.json").write_text(json.dumps(report))
    return runs, known


def test_distances_are_means_over_folds_and_seeds(tmp_path):
    runs, known = made(tmp_path)
    of = ablation_table.collect(study(), runs)["distances"]["test"]["a_to_b"]
    for name in SHIFT:
        values = {cell: value for cell, value in known.items() if cell[0] == name}
        entry = of["kid_patient"][name]
        assert entry["value"] == pytest.approx(np.mean(list(values.values())))
        assert entry["ci"][0] < entry["value"] < entry["ci"][1]
        for seed in (0, 1):
            expected = np.mean([values[name, fold, seed] for fold in (0, 1)])
            assert entry["seeds"][str(seed)] == pytest.approx(expected)
    assert of["kid_patient"]["copy_source"]["value"] == 7.5
    assert of["fd_net"]["better"]["value"] == 3.0 and of["fd_net"]["plain"]["value"] == 2.5
    assert of["fd_net"]["plain"]["seed_sd"] == pytest.approx(np.sqrt(0.5))
    assert of["fd_floor"]["plain"]["value"] == 1.5


def test_a_difference_is_paired_by_the_patients_that_are_drawn(tmp_path):
    """What patients have in common falls out: the interval is narrower than that of either."""
    runs, known = made(tmp_path)
    of = ablation_table.collect(study(), runs)["distances"]["test"]["a_to_b"]["kid_patient"]
    difference = of["better"]["difference"]
    cells = [(fold, seed) for fold in (0, 1) for seed in (0, 1)]
    expected = np.mean([known["better", f, s] - known["plain", f, s] for f, s in cells])
    assert difference["value"] == pytest.approx(expected) and difference["ci"][0] > 0
    assert of["plain"]["difference"]["value"] is None
    again = ablation_table.collect(study(), runs)["distances"]["test"]["a_to_b"]["kid_patient"]
    assert again["better"] == of["better"]


def test_samples_of_nobody_stand_beside_translations(tmp_path):
    """Each is a patient of its own, drawn apart from the real ones."""

    def owners(run):
        nobody = [f"sample {n}".encode() for n in range(20)]
        return nobody if run.variant.name == "better" else OWNERS

    runs, _ = made(tmp_path, owners)
    of = ablation_table.collect(study(), runs)["distances"]["test"]["a_to_b"]["kid_patient"]
    assert of["better"]["difference"]["value"] == pytest.approx(
        of["better"]["value"] - of["plain"]["value"]
    )


def test_the_printed_table_has_thousandths_and_the_floor(tmp_path):
    runs, known = made(tmp_path)
    text = printed.markdown(ablation_table.collect(study(), runs))
    part = text.split("## test, a_to_b, distances\n\n")[1].splitlines()
    assert part[0] == "| method | kid_patient x 1000 | less plain | fd_net | fd_floor | fd_ratio |"
    assert part[2].startswith("| copy_source | 7500 |")
    value = 1000 * np.mean([v for cell, v in known.items() if cell[0] == "plain"])
    assert part[3].startswith(f"| plain | {value:.4g} [") and "| 2.5 ± 0.71 | 1.5 ± 0 |" in part[3]
