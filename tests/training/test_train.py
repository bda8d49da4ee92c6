"""The training command: what a run leaves behind, how it continues, and that it repeats itself."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from forked import finished
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_runs import rows, train

from tfcyclegan.training.callbacks import summaries
from tfcyclegan.training.rundir.checkpoints import load_run


def test_a_run_leaves_its_flags_its_description_and_its_history(tiny_run, dataset):
    assert f"--data_dir={dataset}" in (tiny_run / "flags.txt").read_text()
    described = json.loads((tiny_run / "run.json").read_text())
    assert described["versions"]["tensorflow"] == tf.__version__
    assert described["seed"] == 0 and described["deterministic"] is True
    history = rows(tiny_run)
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4"]
    assert all(np.isfinite(float(value)) for row in history for value in row.values())
    # Constant for two epochs, then linear to zero at the end of the fourth.
    rates = [float(row["learning_rate"]) for row in history]
    np.testing.assert_allclose(rates, [2e-3, 2e-3, 1e-3, 0], atol=1e-9)


DETERMINISTIC = """
import sys
import tensorflow as tf
from tfcyclegan.config import TrainConfig
from tfcyclegan.training.setup import set_up_numerics

set_up_numerics(TrainConfig.parse("--data_dir=d", "--workdir=w", *sys.argv[1:]))
print("graph:", tf.config.optimizer.get_experimental_options().get("arithmetic_optimization"))
"""


@pytest.mark.parametrize(("flags", "said"), [((), "False"), (("--nodeterministic",), "None")])
def test_a_graph_that_is_to_repeat_itself_is_not_rearranged(flags, said):
    """That two whole runs at 256 px end with the same bits is in test_configurations.py."""
    code, text = finished("-c", DETERMINISTIC, *flags)
    assert code == 0 and text.splitlines()[-1] == f"graph: {said}"


@pytest.mark.parametrize("folder", ["train", "val"])
def test_tensorboard_shows_the_numbers_of_the_history(tiny_run, folder):
    events = EventAccumulator(str(tiny_run / folder)).Reload()
    shown = {name: events.Tensors(name) for name in events.Tags()["tensors"]}
    prefix = "val_" if folder == "val" else ""
    columns = [name for name in rows(tiny_run)[0] if name != "epoch"]
    for name in columns:
        if name.startswith("val_") == bool(prefix):
            points = shown[summaries.tag(name)]
            assert [point.step for point in points] == [1, 2, 3, 4], name
            made = [float(tf.make_ndarray(point.tensor_proto)) for point in points]
            expected = [float(row[name]) for row in rows(tiny_run)]
            np.testing.assert_allclose(made, expected, rtol=1e-6, err_msg=name)
    if folder == "train":
        assert {
            "run/images_per_second",
            "loss/generator_ab",
            "accuracy/discriminator_a_real",
        } <= shown.keys()
        text = tf.make_ndarray(shown["flags"][0].tensor_proto).item().decode()
        assert "--pool_size=3" in text
    else:
        assert {"psnr_volume/a_to_b", "psnr_volume/b_to_a"} <= shown.keys()
        assert len(shown["images/a_to_b"]) == 4


def test_the_run_shows_how_it_stands(tiny_run):
    history = rows(tiny_run)
    # Pools of 3 are full after 3 of 6 steps; images are judged in 1 patch or more.
    assert [row["pool_fill"] for row in history] == ["1"] * 4
    for row in history:
        assert 0 <= float(row["discriminator_a_accuracy_real"]) <= 1
        assert float(row["generator_gradient_norm"]) > 0
    logged = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in logged] == [1, 2, 3, 4]
    for row, numbers in zip(history, logged, strict=True):
        assert row.keys() <= numbers.keys() and numbers["images_per_second"] > 0
        assert float(row["loss"]) == pytest.approx(numbers["loss"], rel=1e-8)
    picture = tf.io.decode_png((tiny_run / "samples" / "epoch_0004_b_to_a.png").read_bytes())
    assert picture.shape == (4 * 66, 4 * 66, 1)


def test_validation_in_the_history_is_that_of_the_average_that_is_exported(tiny_run, dataset):
    model, _, epochs = load_run(str(tiny_run))
    assert epochs == 4 and model.translators["a_to_b"] is model.average_ab
    different = [
        np.abs(x - y).max()
        for x, y in zip(
            model.average_ab.get_weights(), model.generator_ab.get_weights(), strict=True
        )
    ]
    assert max(different) > 1e-6


def test_the_best_epoch_by_validation_is_kept_and_said(tiny_run):
    described = json.loads((tiny_run / "run.json").read_text())
    psnr = [
        (float(row["val_psnr_volume_a_to_b"]) + float(row["val_psnr_volume_b_to_a"])) / 2
        for row in rows(tiny_run)
    ]
    assert described["selection"] == {
        "by": "psnr_volume",
        "better": "higher",
        "looks": 4,
        "epoch": int(np.argmax(psnr)) + 1,
        "value": pytest.approx(max(psnr), rel=1e-8),
    }
    assert load_run(str(tiny_run), "best")[2] == described["selection"]["epoch"]
    assert described["validation"]["slices"] == {"a": 4, "b": 4, "pairs": 4}
    assert described["validation"]["every"] == 1


def test_the_cost_of_validation_is_logged_where_the_clock_may_be(tiny_run):
    logged = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < row["validation_share"] < 1 for row in logged)
    assert "validation_share" not in rows(tiny_run)[0]


def test_the_same_command_on_a_finished_run_changes_nothing(tiny_run, dataset, tmp_path):
    workdir = shutil.copytree(tiny_run, tmp_path / "run")
    before = (workdir / "history.csv").read_bytes()
    selection = json.loads((workdir / "run.json").read_text())["selection"]
    code, text = finished(*train(dataset, workdir))
    assert code == 0 and "continue after epoch 4 of 4" in text
    assert (workdir / "history.csv").read_bytes() == before
    assert json.loads((workdir / "run.json").read_text())["selection"] == selection


@pytest.mark.parametrize("flag", ["--cycle_weight=5", "--seed=1"])
def test_other_mathematics_in_the_same_workdir_is_refused_by_name(tiny_run, dataset, flag):
    code, text = finished(*train(dataset, tiny_run, flag))
    assert code == 8
    name = flag.split("=")[0]
    assert f"{name} was" in text and "--allow_config_change" in text
    assert "Traceback" not in text


def test_dry_run_prints_the_plan_and_touches_nothing(dataset, tmp_path):
    code, text = finished(*train(dataset, tmp_path / "dry", "--dry_run"))
    assert code == 0
    assert "--cycle_weight=0.5" in text and "12 t2 and 12 flair" in text
    assert not (tmp_path / "dry").exists()
