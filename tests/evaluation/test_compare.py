"""Runs side by side: differences paired by hand, and refusals of what cannot be compared."""

import csv
import json
import pathlib

import numpy as np
import pytest
from forked import finished

from tfcyclegan import compare, metrics
from tfcyclegan.config import CompareConfig
from tfcyclegan.errors import UserError
from tfcyclegan.evaluation import comparison, kernel_sums

PATIENTS = [f"{i:032x}" for i in range(6)]
FIRST = dict(zip(PATIENTS, (20.0, 21.0, 22.5, 19.0, 23.0, 20.5), strict=True))
GAIN = dict(zip(PATIENTS, (0.5, 0.7, 0.4, 0.6, 0.5, 0.8), strict=True))


def write(directory, values: dict, **changes):
    """An evaluation whose model has these values of psnr_volume by patient."""
    entry = {"value": float(np.mean(list(values.values()))), "ci": [1.0, 2.0], "n_patients": 6}
    lonely = {"value": 0.01, "ci": None, "reason": "why"}
    methods = {
        "model": {"psnr_volume": entry, "kid_patient": lonely, "fd_ratio": lonely},
        "copy_source": {"psnr_volume": entry | {"value": 15.0}},
    }
    report = {
        "schema_version": 2,
        "notice": "Research only, not for diagnosis.",
        "dataset_hash": "d" * 16,
        "split": "test",
        "pairs_hash": "p" * 16,
        "n_pairs": 24,
        "n_slices": {"a": 24, "b": 24},
        "n_patients": 6,
        "extractor": {"name": "randconv_v1", "sha256": "e" * 64},
        "normaliser": {"name": "reference_brain_p0.5_p99.5_v1"},
        "params": {"brain_mask": "records"},
        "model": {"domain_a": "t2", "domain_b": "flair", "image_size": 64},
        "warnings": [],
        "directions": {"a_to_b": methods},
    } | changes
    directory.mkdir()
    (directory / "metrics.json").write_text(json.dumps(report))
    with (directory / "metrics_per_patient.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["direction", "method", "patient", "n_slices", "psnr_volume"])
        for method, shift in (("model", 0.0), ("copy_source", -5.0)):
            for patient, value in values.items():
                writer.writerow(["a_to_b", method, patient, 4, value + shift])
    return str(directory)


def runs(tmp_path, **changes):
    better = {patient: FIRST[patient] + GAIN[patient] for patient in reversed(PATIENTS)}
    return [write(tmp_path / "one", FIRST), write(tmp_path / "two", better, **changes)]


def test_differences_are_paired_by_patient(tmp_path):
    made = comparison.compare(comparison.load_all(runs(tmp_path)))
    difference = made["directions"]["a_to_b"]["psnr_volume"]["differences"][0]
    gains = list(GAIN.values())
    assert difference["value"] == pytest.approx(np.mean(gains)) and difference["n_patients"] == 6
    # Unpaired, the spread between patients would hide the gain.
    assert difference["ci"][0] >= min(gains) and difference["ci"][1] <= max(gains)
    unpaired = metrics.patient_bootstrap(list(FIRST.values()), seed=0)
    assert unpaired.high - unpaired.low > 5 * (difference["ci"][1] - difference["ci"][0])


def test_a_figure_that_is_not_per_patient_has_no_difference(tmp_path):
    made = comparison.compare(comparison.load_all(runs(tmp_path)))
    for name, reason in (("fd_ratio", comparison.NO_PATIENTS), ("kid_patient", comparison.NO_SUMS)):
        figure = made["directions"]["a_to_b"][name]
        assert figure["differences"][0]["value"] is None
        assert figure["differences"][0]["reason"] == reason
        assert [run["value"] for run in figure["runs"]] == [0.01, 0.01]


def sums(shift: float, count: int = 6) -> metrics.PatientKernelSums:
    """Of synthetic features that lie `shift` beside the real ones of the same patients."""
    rng = np.random.default_rng(0)
    ids = np.repeat([patient.encode() for patient in PATIENTS[:count]], 4)
    real = rng.normal(size=(len(ids), 5))
    return metrics.PatientKernelSums.of(real, list(ids), real + shift, list(ids))


def test_kernel_distances_are_compared_on_the_same_draws(tmp_path):
    paths = runs(tmp_path)
    for path, shift in zip(paths, (0.9, 0.2), strict=True):
        kernel_sums.write(pathlib.Path(path), {"a_to_b": sums(shift)})
    made = comparison.compare(comparison.load_all(paths))["directions"]["a_to_b"]["kid_patient"]
    expected = metrics.kernel_distance_patient_difference(sums(0.2), sums(0.9), seed=0)
    difference = made["differences"][0]
    assert difference["value"] == pytest.approx(expected.estimate, rel=1e-12)
    assert difference["ci"] == pytest.approx([expected.low, expected.high], rel=1e-12)
    assert difference["ci"][1] < 0 and difference["n_patients"] == 6
    # Two patients have one draw with a distance: no interval that looks certain.
    kernel_sums.write(pathlib.Path(paths[0]), {"a_to_b": sums(0.9, 2)})
    differences = []
    for other in (6, 2):
        kernel_sums.write(pathlib.Path(paths[1]), {"a_to_b": sums(0.2, other)})
        made = comparison.compare(comparison.load_all(paths))["directions"]["a_to_b"]
        differences.append(made["kid_patient"]["differences"][0])
    assert differences[0]["reason"] == comparison.NO_SUMS
    assert differences[1]["value"] < 0 and differences[1]["ci"] is None


def test_kernel_sums_come_back_as_they_were(tmp_path):
    written = {"a_to_b": sums(0.5), "b_to_a": sums(0.1, 2)}
    kernel_sums.write(tmp_path, written)
    found = kernel_sums.read(tmp_path)
    assert found.keys() == written.keys()
    for name, one in written.items():
        assert found[name].patients_fake == one.patients_fake
        np.testing.assert_array_equal(found[name].cross, one.cross)
        np.testing.assert_array_equal(found[name].counts_real, one.counts_real)
    kernel_sums.write(tmp_path, {})
    assert kernel_sums.read(tmp_path) == {}


def test_frechet_distances_are_compared_without_the_same_patients_in_turn(tmp_path):
    entries = [
        {"value": v, "ci": None, "reason": "r", "standard_error": 1.0, "jackknife": values}
        for v, values in ((5.0, [5.0, 7.0, 3.0]), (4.0, [4.5, 6.0, 2.0]))
    ]
    paths = []
    for name, entry in zip(("one", "two"), entries, strict=True):
        paths.append(write(tmp_path / name, FIRST))
        report = json.loads((tmp_path / name / "metrics.json").read_text())
        report["directions"]["a_to_b"]["model"]["fd_randconv_v1"] = entry
        (tmp_path / name / "metrics.json").write_text(json.dumps(report))
    made = comparison.compare(comparison.load_all(paths))
    difference = made["directions"]["a_to_b"]["fd_randconv_v1"]["differences"][0]
    # Of -0.5, -1 and -1: (g - 1) / g times the sum of squares about their mean, -5 / 6.
    error = np.sqrt(2 / 3 * (1 / 9 + 2 / 36))
    assert difference["value"] == -1.0 and difference["ci"] is None
    assert difference["standard_error"] == pytest.approx(error)
    assert "| fd_randconv_v1 | - | - | 5 ± 1 | 4 ± 1 | -1 ± 0.333 |" in comparison.table(made)


def test_a_run_against_itself_differs_by_nothing(tmp_path):
    run = comparison.load(write(tmp_path / "one", FIRST), "one")
    made = comparison.compare([run, run])["directions"]["a_to_b"]["psnr_volume"]["differences"][0]
    assert made["value"] == 0.0 and made["ci"] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset_hash": "f" * 16}, r"the records \(dataset_hash dddddddddddddddd, ffff"),
        ({"split": "val"}, r"the split \(split test, val\)"),
        ({"pairs_hash": "q" * 16}, "the pairs"),
        ({"n_pairs": 23}, r"n_pairs 24, 23"),
        ({"n_patients": 5}, "the number of patients"),
        ({"extractor": {"name": "fid", "sha256": "0"}}, "the feature extractor"),
        ({"normaliser": {"name": "maxnorm"}}, r"normaliser reference_brain.*, maxnorm"),
        ({"params": {"brain_mask": "foreground"}}, r"the brain masks \(.* records, foreground"),
        ({"n_slices": {"a": 24, "b": 23}}, r"n_slices a: 24, b: 24, a: 24, b: 23"),
        ({"model": {"domain_a": "t2", "domain_b": "flair", "image_size": 128}}, "size of the im"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(tmp_path, changes, message):
    paths = runs(tmp_path, **changes)
    with pytest.raises(UserError, match=f"two cannot be compared .*{message}") as caught:
        compare.main(CompareConfig(runs=tuple(paths)))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("break_it", "message", "code"),
    [
        (lambda d: (d / "metrics.json").unlink(), "takes directories that", 5),
        (lambda d: (d / "metrics.json").write_text("{"), "cannot be read", 8),
        (lambda d: (d / "metrics.json").write_text('{"schema_version": 1}'), "Received: 1", 8),
        (lambda d: (d / "metrics_per_patient.csv").unlink(), "takes directories that", 5),
        (lambda d: (d / kernel_sums.FILE).write_bytes(b"PK"), "cannot be read", 8),
        (lambda d: np.savez(d / kernel_sums.FILE, **{"a_to_b/real": [1]}), "cannot be read", 8),
    ],
)
def test_a_directory_that_is_no_evaluation_is_named(tmp_path, break_it, message, code):
    paths = runs(tmp_path)
    break_it(tmp_path / "two")
    with pytest.raises(UserError, match=message) as caught:
        compare.main(CompareConfig(runs=tuple(paths)))
    assert caught.value.exit_code == code


def test_one_run_is_not_enough(tmp_path):
    with pytest.raises(UserError, match="two or more directories. Received: 1"):
        compare.main(CompareConfig(runs=(write(tmp_path / "one", FIRST),)))


def test_the_command_takes_words_and_writes_table_and_json(tmp_path):
    words = *runs(tmp_path), f"--output={tmp_path / 'out'}"
    code, text = finished("-m", "tfcyclegan.compare", *words)
    assert code == 0, text
    assert "| psnr_volume | - | 15 [1, 2] | 21 [1, 2] | 21.58 [1, 2] | 0.5833 [" in text
    assert text.endswith((tmp_path / "out" / "compare.md").read_text())
    made = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [run["label"] for run in made["runs"]] == ["one", "two"]


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path):
    paths = []
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        paths.append(write(tmp_path / folder / "eval", FIRST))
    assert [run.label for run in comparison.load_all(tuple(paths))] == paths


def test_paths_with_a_comma_stay_whole():
    words = CompareConfig.named(["compare", "a,b", "c", "--output=x"])
    assert CompareConfig.parse(*words[1:]).runs == ("a,b", "c")
    assert CompareConfig.parse("a", "b", "c").runs == ("a", "b", "c")
