"""Wrong basins: told by correlations whose sign is known, and reported once."""

import math
from types import SimpleNamespace

import pytest
from simulated_heads import heads, slices
from tiny_models import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.models.build import build_model
from tfcyclegan.training.callbacks import order
from tfcyclegan.training.callbacks.collapse import CollapseWatch
from tfcyclegan.training.callbacks.contrast import ContrastWatch, basin_of
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.stop_request import StopRequest

UNKNOWN = {"inside": math.nan, "rim": math.nan}


def inverted(images, training):
    assert not training
    return -images


INVERTED = SimpleNamespace(
    data_kind="unpaired", generators={"a_to_b": inverted, "b_to_a": inverted}
)
"""What the watch asks of a model."""


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


@pytest.mark.parametrize("pairs", [8, 0])
def test_a_run_that_inverts_is_reported_once_after_a_tenth_of_its_steps(capsys, pairs):
    # Fluid bright in a and dark in b, as in T2 and FLAIR.
    shown = ValidationSlices(slices(heads(0.9, 8)), slices(heads(0.1, 8)), pairs)
    watch = ContrastWatch(shown, Position(1, 2), steps=10, epochs=4)
    watch.set_model(INVERTED)
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
    watch = ContrastWatch(shown, Position(0, 3), steps=10, epochs=4)
    watch.set_model(INVERTED)
    watch.on_epoch_begin(0)
    watch.on_train_batch_end(0)  # the fourth step: Keras counts those of a rest of an epoch from 0
    assert "after 4 steps" in capsys.readouterr().err


def test_what_learns_from_pairs_is_not_judged(capsys):
    shown = ValidationSlices(slices(heads(0.9, 8)), slices(heads(0.1, 8)), 8)
    watch = ContrastWatch(shown, Position(0, 3), steps=10, epochs=4)
    watch.set_model(SimpleNamespace(**{**vars(INVERTED), "data_kind": "paired"}))
    watch.on_epoch_begin(0)
    watch.on_train_batch_end(0)
    assert capsys.readouterr().err == ""


def test_every_run_has_the_watches_among_its_callbacks(tmp_path):
    shown = ValidationSlices(slices(heads(0.9, 8)), slices(heads(0.1, 8)), 8)
    flags = (*TINY, f"--workdir={tmp_path}", "--epochs=4", "--decay_start_epoch=2")
    config = TrainConfig.parse(*flags)
    model = build_model(config, steps_per_epoch=10)
    start, stop = Position(1, 2), StopRequest()
    validation = order.make_validation(config, model, shown, 10)
    saving = RunCheckpoints(str(tmp_path), model)
    made = order.make_callbacks(config, model, saving, validation, shown, start, stop, 10)
    for kind in (ContrastWatch, CollapseWatch):
        (watch,) = [callback for callback in made if isinstance(callback, kind)]
        assert watch._due == 4 and watch._start == Position(1, 2)
