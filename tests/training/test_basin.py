"""Wrong basins: told by correlations whose sign is known, and reported once."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from test_inversion import COLUMNS, HEAD, ROWS, SIZE, heads, slices
from tiny_models import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.head import regions
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.correlation import correlations
from tfcyclegan.models.build import build_model
from tfcyclegan.training.callbacks import order
from tfcyclegan.training.callbacks.contrast import BasinWatch, basin_of
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.stop_request import StopRequest

UNKNOWN = {"inside": math.nan, "rim": math.nan}


@pytest.mark.parametrize(
    ("inside", "rim", "expected"),
    [
        (0.95, 0.97, "identity"),
        (0.46, 0.9, "identity"),  # the middle between a copy and -0.1 is 0.45
        (0.44, 0.9, ""),
        (-0.1, 0.6, ""),
        (-0.9, -0.95, "inversion"),
        (0.95, -0.11, "inversion"),
        (-0.9, -0.09, ""),
        (math.nan, math.nan, ""),
    ],
)
def test_the_basin_follows_from_the_correlations(inside, rim, expected):
    made = {"inside": inside, "rim": rim}
    assert basin_of(made, {"inside": -0.1, "rim": 0.6}) == expected
    assert basin_of(made, UNKNOWN) == ("" if expected == "identity" else expected)


def test_domains_whose_rims_are_inverted_are_no_inversion():
    assert basin_of({"inside": 0.0, "rim": -0.5}, {"inside": 0.0, "rim": -0.6}) == ""


def test_inside_and_rim_are_the_head_and_one_does_not_see_the_other():
    images = heads(0.9, 2)[..., np.newaxis].astype(np.float32)
    found = regions(images)
    # 0.06 x 32 is 2 pixels of a head of 12; the corners of a step are not on the diagonal.
    depth = 12 - np.hypot(ROWS, COLUMNS)
    for inside, rim in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(inside | rim, HEAD)
        assert not (inside & rim).any()
        assert inside[depth > 3.5].all() and rim[(depth > 0) & (depth < 1.4)].all()
    inverted = np.where(found["rim"][..., np.newaxis], 1 - images, images)
    made = correlations(images, inverted)
    assert made["inside"] == pytest.approx(1, abs=1e-5)
    assert made["rim"] == pytest.approx(-1, abs=1e-5)
    assert images.shape[1] == SIZE


@pytest.mark.parametrize("pairs", [8, 0])
def test_a_run_that_inverts_is_reported_once_after_a_tenth_of_its_steps(capsys, pairs):
    # Fluid bright in a and dark in b, as in T2 and FLAIR.
    shown = ValidationSlices(slices(heads(0.9, 8)), slices(heads(0.1, 8)), pairs)
    watch = BasinWatch(shown, Position(1, 2), steps=10, epochs=4)
    watch.set_model(SimpleNamespace(generator_ab=inverted, generator_ba=inverted))
    for epoch in (0, 1):
        watch.on_epoch_begin(epoch)
        for batch in range(10):
            watch.on_train_batch_end(batch)
            told = capsys.readouterr().err
            assert ("warning" in told) == (epoch == 0 and batch == 3), (epoch, batch)
            if told:
                assert "after 4 steps the run is in the basin of inversion" in told
                assert "a_to_b_rim -1.00" in told and "b_to_a_rim -1.00" in told


def test_a_run_that_was_cut_is_judged_at_the_same_step(capsys):
    shown = ValidationSlices(slices(heads(0.9, 8)), slices(heads(0.1, 8)), 8)
    watch = BasinWatch(shown, Position(0, 3), steps=10, epochs=4)
    watch.set_model(SimpleNamespace(generator_ab=inverted, generator_ba=inverted))
    watch.on_epoch_begin(0)
    watch.on_train_batch_end(0)  # the fourth step: Keras counts those of a rest of an epoch from 0
    assert "after 4 steps" in capsys.readouterr().err


def inverted(images, training):
    assert not training
    return -images


def test_a_configuration_that_asks_for_it_has_the_watch_among_its_callbacks(tmp_path):
    shown = ValidationSlices(slices(heads(0.9, 8)), slices(heads(0.1, 8)), 8)

    def watches(wrong_basin: str) -> list:
        flags = (*TINY, f"--workdir={tmp_path}", f"--wrong_basin={wrong_basin}")
        config = TrainConfig.parse(*flags, "--epochs=4", "--decay_start_epoch=2")
        model = build_model(config, steps_per_epoch=10)
        start, stop = Position(1, 2), StopRequest()
        validation = order.make_validation(config, shown, 10, model.distribute_strategy)
        saving = RunCheckpoints(str(tmp_path), model)
        made = order.make_callbacks(config, model, saving, validation, shown, start, stop, 10)
        return [callback for callback in made if isinstance(callback, BasinWatch)]

    (watch,) = watches("report")
    assert watch._due == 4 and watch._start == Position(1, 2)
    assert watches("ignore") == []
