"""Scores of translators whose scores are known."""

import csv
import json
import math

import numpy as np
import pytest

from tfcyclegan import data, manifest, scoring
from tfcyclegan.config import EvaluateConfig
from tfcyclegan.errors import UserError
from tfcyclegan.evaluate import evaluate, load_translators, main, strict_json
from tfcyclegan.pairing import pair


@pytest.fixture(scope="module")
def pairs(dataset):
    shards = manifest.read(dataset)
    a, b = (
        data.load_slices(str(dataset), shards, split="test", sequence=s, image_size=64)
        for s in ("t2", "flair")
    )
    return pair(a, b)


@pytest.fixture(scope="module")
def report(pairs, tmp_path_factory):
    """A to b is perfect but for an offset of 0.1; b to a returns its input."""
    output = tmp_path_factory.mktemp("eval")
    targets = {a.tobytes(): b for a, b in zip(pairs.a.unit(), pairs.b.unit(), strict=True)}

    def offset(images):
        made = [targets[image.tobytes()] + 0.1 for image in np.asarray(images)]
        return np.clip(np.stack(made), 0, 1).astype(np.float32)

    report, _ = evaluate({"a_to_b": offset, "b_to_a": np.asarray}, pairs, output)
    return report, output


def test_a_constant_offset_has_a_known_psnr(report):
    scores = report[0]["directions"]["a_to_b"]["model"]
    assert scores["psnr_volume"]["value"] == pytest.approx(20.0, abs=1e-3)  # -20 log10 0.1
    assert scores["mae"]["value"] == pytest.approx(0.1, abs=1e-5)
    assert scores["psnr_volume"]["n_patients"] == 2


def test_doing_nothing_scores_as_copy_source(report):
    direction = report[0]["directions"]["b_to_a"]
    assert direction["model"] == direction["copy_source"]


def test_copy_source_is_the_source_against_the_target(report, pairs):
    a, b = pairs.a.unit()[..., 0].astype(float), pairs.b.unit()[..., 0].astype(float)
    patients = pairs.a.metadata["id/patient"]
    expected = np.mean(
        [-10 * math.log10(np.mean((a - b)[patients == p] ** 2)) for p in set(patients)]
    )
    value = report[0]["directions"]["a_to_b"]["copy_source"]["psnr_volume"]["value"]
    assert value == pytest.approx(expected, abs=1e-4)


def test_the_model_has_another_distance_than_copy_source(report):
    direction = report[0]["directions"]["a_to_b"]
    assert direction["model"]["fd_randconv_v1"]["value"] != pytest.approx(
        direction["copy_source"]["fd_randconv_v1"]["value"], rel=0.01
    )
    assert not any("fid" in name for name in direction["model"])


def test_tables_hold_every_slice_and_patient(report, pairs):
    with (report[1] / "metrics_per_slice.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * len(pairs)
    with (report[1] / "metrics_per_patient.csv").open(newline="") as file:
        patients = list(csv.DictReader(file))
    assert len(patients) == 2 * 2 * 2 and patients[0]["n_slices"] == "4"


def test_json_is_strict():
    text = strict_json({"a": [math.nan, 1.0], "b": {"c": math.inf}})
    assert json.loads(text) == {"a": [None, 1.0], "b": {"c": None}}


def test_the_command_writes_metrics_for_a_run(tiny_run, dataset, tmp_path):
    config = EvaluateConfig.parse(
        f"--workdir={tiny_run}", f"--data_dir={dataset}", f"--output={tmp_path / 'eval'}"
    )
    main(config)
    made = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert made["n_pairs"] == 8 and made["model"]["epochs"] == 4
    assert made["n_unpaired"] == {"a": 0, "b": 0}
    assert set(made["directions"]) == set(scoring.DIRECTIONS)
    assert (tmp_path / "eval" / "samples.png").is_file()
    assert "T2 → FLAIR" in (tmp_path / "eval" / "report.html").read_text()


def test_a_model_that_is_none_is_named(dataset, tmp_path):
    config = EvaluateConfig.parse(
        f"--model={tmp_path}", f"--data_dir={dataset}", f"--output={tmp_path / 'eval'}"
    )
    with pytest.raises(UserError, match="--model must be a version directory"):
        load_translators(config)
