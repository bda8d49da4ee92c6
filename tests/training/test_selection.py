"""The best epoch by validation, in a run that goes on and in one that continues."""

import json

import pytest

from tfcyclegan.training.callbacks.best_checkpoint import (
    BestCheckpoint,
    score_to_select_by,
    selection_score,
)
from tfcyclegan.training.callbacks.history import History
from tfcyclegan.training.distribution.strategies import make_strategy
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.workdir import recorded

KEYS = ["val_psnr_volume_a_to_b", "val_psnr_volume_b_to_a"]
BOTH = ("a_to_b", "b_to_a")


class Kept:
    """Checkpoints as names only; two are kept."""

    def __init__(self):
        self.positions = []

    def save(self, position):
        self.positions = [*self.positions, position][-2:]

    def forget_after(self, last):
        self.positions = [p for p in self.positions if p <= last]
        return self.positions


def logs(value: float | None, score: str = "psnr_volume") -> dict:
    if value is None:
        return {}
    return {f"val_{score}_a_to_b": value - 1, f"val_{score}_b_to_a": value + 1}


def run(workdir, kept, values: list, finished: int = 0, score: str = "psnr_volume") -> dict:
    """Goes through epochs with these scores and returns what run.json says."""
    best = BestCheckpoint(kept, score, BOTH, str(workdir), finished, make_strategy("single"))
    columns = [f"val_{score}_a_to_b", f"val_{score}_b_to_a"]
    history = History(workdir / "history.csv", columns, finished)
    best.on_train_begin()
    for epoch, value in enumerate(values, start=finished):
        history.on_epoch_end(epoch, logs(value, score))
        best.on_epoch_end(epoch, logs(value, score))
    return recorded(workdir).get("selection")


def test_the_best_epoch_is_kept_and_every_look_is_counted(tmp_path):
    kept = Kept()
    made = run(tmp_path, kept, [10.0, None, 12.0, 11.0, float("nan")])
    assert kept.positions == [Position(1), Position(3)]
    assert made == {"by": "psnr_volume", "better": "higher", "looks": 3, "epoch": 3, "value": 12.0}
    assert json.loads((tmp_path / "run.json").read_text())["selection"] == made


def test_a_distance_is_better_when_low(tmp_path):
    kept = Kept()
    made = run(tmp_path, kept, [0.5, -0.1, 0.2], score="kid_patient")
    assert kept.positions[-1] == Position(2) and made["better"] == "lower"
    assert made["value"] == pytest.approx(-0.1)


VALUES = [10.0, 12.0 + 1e-12, 12.0, 11.0, 12.5, 13.0]


@pytest.mark.parametrize("killed_after", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("back_to", [0, 1, 2, 3, 4])
def test_a_run_that_continues_selects_as_one_that_was_never_interrupted(
    tmp_path, killed_after, back_to
):
    whole, kept = Kept(), Kept()
    (tmp_path / "whole").mkdir()
    expected = run(tmp_path / "whole", whole, VALUES)
    run(tmp_path, kept, VALUES[:killed_after])
    back_to = min(back_to, killed_after)
    assert run(tmp_path, kept, VALUES[back_to:], finished=back_to) == expected
    assert kept.positions[-1] == whole.positions[-1] == Position(6)


def test_a_best_of_a_branch_that_was_given_up_is_forgotten(tmp_path):
    kept = Kept()
    run(tmp_path, kept, [10.0, 11.0, 15.0])
    made = run(tmp_path, kept, [10.5], finished=2)
    assert kept.positions == [Position(2)]
    assert (made["epoch"], made["value"], made["looks"]) == (2, 11.0, 3)


def test_auto_prefers_fidelity_and_a_score_that_is_not_there_is_named():
    distances = ["val_kid_a_to_b", "val_kid_b_to_a", "val_kid_patient_a_to_b"]
    patient = "val_kid_patient_b_to_a"
    assert score_to_select_by([*KEYS, *distances], BOTH) == "psnr_volume"
    assert score_to_select_by([*distances, patient], BOTH) == "kid_patient"
    assert score_to_select_by(distances, BOTH) == "kid"
    assert score_to_select_by(distances, ("a_to_b",)) == "kid_patient"
    assert score_to_select_by(KEYS[1:], ("b_to_a",)) == "psnr_volume"
    assert score_to_select_by([], BOTH) is None
    assert score_to_select_by(KEYS, ()) is None


def test_one_direction_of_two_alone_is_no_selection():
    assert selection_score({KEYS[0]: 10.0}, "psnr_volume", BOTH) is None
    assert selection_score({KEYS[0]: "10", KEYS[1]: ""}, "psnr_volume", BOTH) is None
    assert selection_score({KEYS[0]: "10", KEYS[1]: 13.0}, "psnr_volume", BOTH) == 11.5
    assert selection_score({KEYS[1]: "10"}, "psnr_volume", ("b_to_a",)) == 10.0
