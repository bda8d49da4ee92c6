"""The command on models whose scores are known, and on data that lack something."""

import csv
import json
import math
import shutil

import numpy as np
import pytest
from record_sets import record, write_index, write_shard

from tfcyclegan.config import EvaluateConfig
from tfcyclegan.data import manifest
from tfcyclegan.errors import UserError
from tfcyclegan.evaluate import main
from tfcyclegan.evaluation import cautions, comparison, inputs
from tfcyclegan.evaluation import scoring as evaluation_scoring
from tfcyclegan.evaluation.brain import RULE
from tfcyclegan.evaluation.figures import contrast
from tfcyclegan.evaluation.figures.baselines import BASELINES
from tfcyclegan.evaluation.figures.entries import strict_json
from tfcyclegan.evaluation.metrics_json import patient_rows, slice_rows
from tfcyclegan.evaluation.run import evaluate
from tfcyclegan.evaluation.translators import load_translators
from tfcyclegan.metrics.extractors import make_extractor
from tfcyclegan.models import translators

MODEL = {
    "domain_a": "t2",
    "domain_b": "flair",
    "image_size": 64,
    "train_split": "train",
    "trained_on": None,
    "drop_lesions": "none",
}


def load(dataset, split="test"):
    return inputs.load(str(dataset), manifest.read(dataset), split, MODEL)


@pytest.fixture(scope="module")
def extractor():
    return make_extractor("randconv_v1")


@pytest.fixture(scope="module")
def data(dataset):
    return load(dataset)


@pytest.fixture(scope="module")
def outcome(data, extractor):
    """A to b is perfect but for an offset of 0.1; b to a returns its input."""
    pairs = data.pairs
    targets = {a.tobytes(): b for a, b in zip(pairs.a.unit(), pairs.b.unit(), strict=True)}

    def offset(images):
        made = [targets[image.tobytes()] + 0.1 for image in np.asarray(images)]
        return np.clip(np.stack(made), 0, 1).astype(np.float32)

    def first(images):
        known = [image.tobytes() in targets for image in np.asarray(images)]
        return offset(images) if all(known) else np.asarray(images)

    return evaluate({"a_to_b": first, "b_to_a": np.asarray}, data, extractor, protocol="paper")


def test_a_constant_offset_has_a_known_psnr(outcome):
    scores = outcome[0]["directions"]["a_to_b"]["model"]
    assert scores["psnr_volume_unit"]["value"] == pytest.approx(20.0, abs=1e-3)  # -20 log10 0.1
    assert scores["psnr_volume_unit"]["n_patients"] == 2
    # The windows of the targets' heads are narrower than [0, 1], so that the same error is larger.
    assert scores["psnr_volume"]["value"] < 20.0


def test_doing_nothing_scores_as_copy_source(outcome):
    direction = outcome[0]["directions"]["b_to_a"]
    assert strict_json(direction["model"]) == strict_json(direction["copy_source"])


def test_copy_source_is_the_source_against_the_target(outcome, data):
    a, b = (side.unit()[..., 0].astype(float) for side in (data.pairs.a, data.pairs.b))
    patients = data.pairs.a.metadata["id/patient"]
    expected = np.mean(
        [-10 * math.log10(np.mean((a - b)[patients == p] ** 2)) for p in set(patients)]
    )
    value = outcome[0]["directions"]["a_to_b"]["copy_source"]["psnr_volume_unit"]["value"]
    assert value == pytest.approx(expected, abs=1e-4)


def test_every_baseline_is_in_both_directions(outcome):
    for methods_of in outcome[0]["directions"].values():
        assert set(methods_of) == {"model", *BASELINES}
        for scores in methods_of.values():
            assert {"psnr_volume", "ssim_brain", "kid_patient", "paper_ssim"} <= set(scores)
            assert "psnr_maxnorm" in scores and "inception_score" not in scores


def test_no_distance_is_called_fid(outcome):
    for methods_of in outcome[0]["directions"].values():
        assert not any("fid" in name for scores in methods_of.values() for name in scores)
        model, copy = (
            methods_of[m]["fd_randconv_v1"]["value"] for m in ("model", "constant_brain")
        )
        assert model != pytest.approx(copy, rel=0.01)


def test_every_null_has_a_reason(outcome):
    def walk(value, path=""):
        if isinstance(value, dict):
            if value.get("value", 0) is None or ("ci" in value and value["ci"] is None):
                assert value.get("reason"), path
            for key, item in value.items():
                walk(item, f"{path}/{key}")

    walk(json.loads(strict_json(outcome[0])))


def test_tables_hold_every_slice_and_patient(outcome, data):
    columns, rows = slice_rows(outcome[1])
    assert len(rows) == 2 * 6 * len(data.pairs) and columns[:3] == [
        "direction",
        "method",
        "patient",
    ]
    columns, rows = patient_rows(outcome[1])
    assert len(rows) == 2 * 6 * 2 and rows[0]["n_slices"] == 4
    assert rows[0].keys() <= set(columns)


def test_json_is_strict():
    text = strict_json({"a": [math.nan, 1.0], "b": {"c": math.inf}, "d": (1, math.nan)})
    assert json.loads(text) == {"a": [None, 1.0], "b": {"c": None}, "d": [1, None]}


@pytest.fixture(scope="module")
def written(tiny_run, dataset, tmp_path_factory):
    output = tmp_path_factory.mktemp("eval") / "eval"
    main(
        EvaluateConfig.parse(f"--workdir={tiny_run}", f"--data_dir={dataset}", f"--output={output}")
    )
    return output


def test_the_command_writes_metrics_for_a_run(written):
    made = json.loads((written / "metrics.json").read_text())
    assert made["schema_version"] == 2
    assert made["n_pairs"] == 8 and made["model"]["epochs"] == 4
    assert made["n_unpaired"] == {"a": 0, "b": 0}
    assert set(made["directions"]) == set(translators.DIRECTIONS)
    assert made["leakage"]["passed"] and made["leakage"]["same_patients_in_both_domains"]["test"]
    assert made["registration"]["offset_mm_max"] == 0.0
    assert made["model"]["trained_on"] == made["dataset_hash"]
    assert made["memorisation"]["a_to_b"]["n_train"] == 12
    assert (
        made["wall_seconds"] > 0
        and made["extractor"]["sha256"]
        and made["normaliser"]["name"].endswith("_v1")
    )


def test_records_of_another_window_are_a_reason_to_doubt(written, extractor):
    report = json.loads((written / "metrics.json").read_text())
    assert report["window_percentiles"] == report["model"]["window_percentiles"] == [0.5, 99.5]
    sentence = "another --normalization than those that the model was trained on"
    assert not any(sentence in text for text in cautions.of(report, [], extractor))
    report["window_percentiles"] = [0.5, None]
    (text,) = (text for text in cautions.of(report, [], extractor) if sentence in text)
    assert text.endswith("with --normalization=p0.5-99.5.")


def test_the_brain_of_records_without_masks_is_estimated_and_a_warning_says_so(written):
    made = json.loads((written / "metrics.json").read_text())
    assert made["params"]["brain_mask"] == RULE
    estimated = [text for text in made["warnings"] if "is estimated from real T2" in text]
    assert [text.partition(":")[0] for text in estimated] == ["a_to_b", "b_to_a"]
    assert not any("scalp and skull included" in text for text in made["warnings"])


def test_every_file_that_the_report_names_is_there(written):
    made = json.loads((written / "metrics.json").read_text())
    assert "history.png" in made["plots"]
    figures = [made["memorisation"][name]["figure"] for name in translators.DIRECTIONS]
    for name in ("samples.png", *made["plots"], *figures):
        assert (written / name).read_bytes().startswith(b"\x89PNG"), name
    assert "T2 → FLAIR" in (written / "report.html").read_text(encoding="utf-8")
    with (written / "metrics_per_patient.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "model"]
    per_patient = [float(r["ssim_brain"]) for r in rows if r["direction"] == "a_to_b"]
    value = made["directions"]["a_to_b"]["model"]["ssim_brain"]["value"]
    assert value == pytest.approx(np.mean(per_patient), rel=1e-6)


def test_an_evaluation_differs_from_itself_by_nothing(written):
    run = comparison.load(str(written), "one")
    kid = run.report["directions"]["a_to_b"]["model"]["kid_patient"]["value"]
    sums = run.sums["a_to_b"]
    ones = np.ones((1, 2))
    assert kid == pytest.approx(sums.distances(ones, ones)[0], rel=1e-9)
    figures = comparison.compare([run, run])["directions"]["a_to_b"]
    assert figures["kid_patient"]["differences"][0]["value"] == 0.0
    frechet = figures["fd_randconv_v1"]["differences"][0]
    assert frechet["value"] == frechet["standard_error"] == 0.0


def write_some(directory, test: dict[str, list]):
    """A dataset with one training patient and the given test records by sequence."""
    directory.mkdir()
    shards = [
        write_shard(directory, "train", s, [record(s, 9, i, 2) for i in range(2)])
        for s in ("t2", "flair")
    ]
    shards += [write_shard(directory, "test", s, rows) for s, rows in test.items()]
    write_index(directory, shards)
    return directory


def identity():
    return {"a_to_b": np.asarray, "b_to_a": np.asarray}


def test_unpaired_data_get_nulls_with_a_reason_and_everything_else(tmp_path, extractor):
    rows = {
        "t2": [record("t2", p, i, 3) for p in (1, 2, 5) for i in range(3)],
        "flair": [record("flair", p, i, 3) for p in (3, 4, 6) for i in range(3)],
    }
    report, _ = evaluate(identity(), load(write_some(tmp_path / "d", rows)), extractor)
    assert report["n_pairs"] == 0 and not report["same_patients_in_both_domains"]
    scores = report["directions"]["a_to_b"]["model"]
    names = ("psnr_volume", "ssim", "ssim_brain", "lesion_dice", *contrast.FLUID)
    for name in (*names, *contrast.VENTRICLE):
        assert scores[name]["value"] is None and "registers" in scores[name]["reason"]
    assert scores["kid_patient"]["ci"] and scores["source_correlation_brain"]["value"] == (
        pytest.approx(1.0)
    )
    assert report["self_consistency"]["cycle_ssim_a"]["value"] == pytest.approx(1.0)
    assert report["registration"]["n_pairs"] == 0


def test_one_patient_has_values_without_intervals(tmp_path, extractor):
    rows = {s: [record(s, 1, i, 3) for i in range(3)] for s in ("t2", "flair")}
    report, _ = evaluate(identity(), load(write_some(tmp_path / "d", rows)), extractor)
    scores = report["directions"]["a_to_b"]["model"]
    assert scores["ssim"]["value"] > 0 and scores["ssim"]["ci"] is None
    assert scores["ssim"]["reason"].startswith("one patient")
    assert (
        scores["kid_patient"]["value"] is None and "one patient" in scores["kid_patient"]["reason"]
    )


def test_one_slice_has_no_distance_and_no_neighbour(tmp_path, extractor):
    rows = {s: [record(s, 1, 0, 3)] for s in ("t2", "flair")}
    report, scored = evaluate(identity(), load(write_some(tmp_path / "d", rows)), extractor)
    scores = report["directions"]["a_to_b"]
    assert scores["model"]["fd_randconv_v1"]["value"] is None
    assert scores["model"]["ssim"]["value"] > 0
    assert "neighbour" in scores["previous_slice"]["ssim"]["reason"]
    strict_json(report)


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        (lambda x: np.asarray(x) * np.nan, "NaN or infinity to 8 of 8 slices, a_to_b", 1),
        (lambda x: np.asarray(x)[:, ::2, ::2], "Received: 32 x 32 from the model", 8),
    ],
)
def test_a_broken_model_is_named(data, extractor, answer, message, code):
    with pytest.raises(UserError, match=message) as caught:
        evaluate({"a_to_b": answer, "b_to_a": np.asarray}, data, extractor)
    assert caught.value.exit_code == code


def test_a_model_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match="--model must be a version directory"):
        load_translators("", str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / manifest.MANIFEST).unlink(), "must hold manifest.jsonl"),
        (lambda d: shutil.rmtree(d), "does not exist"),
    ],
)
def test_records_without_manifest_are_refused(tiny_run, dataset, tmp_path, change, message):
    copy = shutil.copytree(dataset, tmp_path / "data")
    change(copy)
    config = EvaluateConfig.parse(
        f"--workdir={tiny_run}", f"--data_dir={copy}", f"--output={tmp_path / 'e'}"
    )
    with pytest.raises(UserError, match=message):
        main(config)
    assert not (tmp_path / "e").exists()


def test_an_extractor_without_its_weights_is_named(tiny_run, dataset, tmp_path):
    config = EvaluateConfig.parse(
        f"--workdir={tiny_run}",
        f"--data_dir={dataset}",
        f"--output={tmp_path / 'e'}",
        "--extractor=fid_clean",
    )
    with pytest.raises(UserError, match="--extractor needs its weights"):
        main(config)


def test_a_model_of_other_data_is_not_compared_with_this_training_split(dataset):
    other = {**MODEL, "trained_on": "0123456789abcdef"}
    data = inputs.load(str(dataset), manifest.read(dataset), "test", other)
    assert data.train == {} and data.no_train == inputs.NOT_ITS_OWN
    assert load(dataset, "train").no_train == inputs.SAME_SPLIT


def test_translate_passes_a_sound_answer_on(data):
    images = data.slices["a"].unit()
    np.testing.assert_array_equal(
        evaluation_scoring.translate(np.asarray, "a_to_b", images), images
    )
