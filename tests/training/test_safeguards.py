"""When a run is saved, and when it gives up."""

import types

import keras
import pytest

from tfcyclegan.errors import UserError
from tfcyclegan.models.step.nonfinite import Diverged, NonFiniteGuard
from tfcyclegan.training.callbacks import checkpointing, nonfinite
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.stop_request import StopRequest

START = Position()


class Saved(list):
    """Stands for the run's checkpoints: remembers the positions."""

    def save(self, position: Position) -> None:
        self.append(position)


def model() -> types.SimpleNamespace:
    mean = keras.metrics.Mean()
    mean.update_state([1.0, 2.0])
    return types.SimpleNamespace(
        metrics=[mean], guard=NonFiniteGuard(), reset=mean.reset_state, mean=mean
    )


def epoch(watcher, made, number: int, batches: int, *, of: int) -> None:
    """Does what Keras does in an epoch."""
    watcher.set_params({"steps": of})
    made.reset()
    watcher.on_epoch_begin(number)
    for batch in range(batches):
        watcher.on_train_batch_end(batch, {})
    if batches == of:
        watcher.on_epoch_end(number, {})


def checkpoints(start=START, *, minutes=0.0) -> tuple:
    saved, stop, made = Saved(), StopRequest(), model()
    watcher = checkpointing.Checkpoints(saved, stop, start=start, minutes=minutes)
    watcher.set_model(made)
    watcher.on_train_begin()
    return watcher, saved, stop, made


def test_ends_of_epochs_are_saved():
    watcher, saved, _, made = checkpoints()
    for number in range(3):
        epoch(watcher, made, number, 3, of=3)
    assert saved == [Position(1), Position(2), Position(3)]


def test_inside_an_epoch_the_clock_decides_but_never_at_its_last_step():
    watcher, saved, _, made = checkpoints(minutes=1e-9)
    epoch(watcher, made, 0, 3, of=3)
    assert saved == [Position(0, 1), Position(0, 2), Position(1)]


def test_an_epoch_that_continues_keeps_its_steps_and_its_means():
    watcher, saved, _, made = checkpoints(Position(2, 4), minutes=1e-9)
    epoch(watcher, made, 2, 2, of=3)
    assert saved == [Position(2, 5), Position(2, 6)]
    assert float(made.mean.result()) == 1.5 and float(made.mean.count) == 2
    epoch(watcher, made, 3, 1, of=7)
    assert saved[-1] == Position(3, 1) and float(made.mean.count) == 0


def test_a_stop_request_saves_once_and_leaves():
    watcher, saved, stop, made = checkpoints()
    stop.received = 15
    with pytest.raises(UserError, match="stopped by SIGTERM; epoch 0 and 1 steps is saved"):
        epoch(watcher, made, 0, 3, of=3)
    with pytest.raises(UserError, match="stopped by SIGTERM; epoch 1 is saved"):
        epoch(watcher, made, 0, 1, of=1)
    assert saved == [Position(0, 1), Position(1)]


def test_too_many_skipped_steps_in_a_row_end_the_fit_where_they_are(capsys):
    made = model()
    watcher = nonfinite.NonFinite(Position(1, 10), limit=3)
    watcher.set_model(made)
    logs = {}
    watcher.on_epoch_begin(1)
    made.guard.skipped.assign(5)
    made.guard.in_a_row.assign(2)
    watcher.on_train_batch_end(0, logs)
    watcher.on_epoch_end(1, logs)
    assert logs == {"skipped_steps": 5}
    assert "5 steps were skipped up to the end of epoch 2" in capsys.readouterr().err
    watcher.on_epoch_end(1, logs)
    assert capsys.readouterr().err == ""
    made.guard.in_a_row.assign(3)
    with pytest.raises(Diverged) as caught:
        watcher.on_train_batch_end(1, logs)
    assert (caught.value.epoch, caught.value.step) == (1, 12)
