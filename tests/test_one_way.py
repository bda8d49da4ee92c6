"""A model of one direction goes the whole road: nothing outside a model counts on two."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf
from one_way import builder
from tensorflow.python.framework.config import disable_op_determinism  # has no public name
from tiny_runs import TINY_RUN, rows

from tfcyclegan import compare, evaluate, export, train
from tfcyclegan.config import CompareConfig, EvaluateConfig, ExportConfig, TrainConfig
from tfcyclegan.experiments.ablation import sheet
from tfcyclegan.models import build
from tfcyclegan.models.serving.saved_model import CARD
from tfcyclegan.models.translators import DIRECTIONS


@pytest.fixture(scope="module")
def root(dataset, tmp_path_factory, forked_python):
    """Both directions, each of a model of its own: trained, evaluated, and compared."""
    root, patch = tmp_path_factory.mktemp("one_way"), pytest.MonkeyPatch()
    data = f"--data_dir={dataset}"
    patch.setattr(sys, "executable", forked_python)  # loads the exports
    try:
        for direction in DIRECTIONS:
            patch.setitem(build.MODELS, "cyclegan", builder(direction))
            run, flags = (
                f"--workdir={root}/run_{direction}",
                ("--epochs=2", "--decay_start_epoch=1"),
            )
            train.main(TrainConfig.parse(*TINY_RUN, *flags, data, run))
            evaluate.main(EvaluateConfig.parse(run, data, f"--output={root}/{direction}"))
            export.main(ExportConfig.parse(run, f"--output={root}/export_{direction}"))
    finally:
        patch.undo()
        disable_op_determinism()
    both = f"--runs={root}/a_to_b,{root}/b_to_a"
    compare.main(CompareConfig.parse(both, f"--output={root}/compared"))
    return root


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_its_best_epoch_is_selected_by_the_direction_that_it_has(root, direction):
    described = json.loads((root / f"run_{direction}" / "run.json").read_text())["selection"]
    scores = [
        float(row[f"val_{described['by']}_{direction}"]) for row in rows(root / f"run_{direction}")
    ]
    assert described["looks"] == 2 and described["by"] == "psnr_volume"
    assert described["value"] == pytest.approx(max(scores), rel=1e-6)
    assert list((root / f"run_{direction}" / "best").iterdir())


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_its_evaluation_and_export_have_one_direction(root, direction):
    report = json.loads((root / direction / "metrics.json").read_text())
    assert list(report["directions"]) == [direction]
    model = tf.saved_model.load(str(root / f"export_{direction}" / "1"))
    ways = {f"{direction}{kind}" for kind in ("", "_volume", "_example")}
    assert set(model.signatures) == {"serving_default", *ways}
    card = json.loads((root / f"export_{direction}" / "1" / CARD).read_text())
    assert card["directions"] == [direction] and card["cycled"] is False


def test_a_comparison_shows_both_and_says_who_has_not_which(root):
    directions = json.loads((root / "compared" / "compare.json").read_text())["directions"]
    assert list(directions) == list(DIRECTIONS)
    for number, direction in enumerate(DIRECTIONS):
        figure = directions[direction]["psnr_volume"]
        mine, other = figure["runs"][number], figure["runs"][1 - number]
        alone = json.loads((root / direction / "metrics.json").read_text())
        assert mine == alone["directions"][direction]["model"]["psnr_volume"]
        assert figure["copy_source"]["value"] is not None
        assert (other["value"], other["reason"]) == (None, "the model has not this direction")
        assert figure["differences"][0]["reason"] == other["reason"]
    text = (root / "compared" / "compare.md").read_text()
    assert text.count("\n| psnr_volume |") == 2


def test_the_sheet_of_a_study_leaves_its_place_empty(root):
    sheets = {name: sheet.cells(root / name, 64) for name in DIRECTIONS}
    assert [list(made) for made in sheets.values()] == [[name] for name in DIRECTIONS]
    figure = sheet.draw(sheets)
    filled = [len(axis.images) for axis in figure.axes]
    assert filled == [1, 1, 0, 1, 1, 0, 1, 1]  # source, a model of each direction, real
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes[:4:3]]
    np.testing.assert_array_equal(shown[0], sheets["a_to_b"]["a_to_b"][:, 0][_fullest(sheets)])


def _fullest(sheets) -> int:
    return int(np.argmax((sheets["a_to_b"]["a_to_b"][:, 0] > 0.05).mean(axis=(1, 2))))
