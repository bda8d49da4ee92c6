"""What a run says while it runs, on a real terminal (a pseudo-terminal) and into a pipe."""

import os
import pty
import re
import select
from types import SimpleNamespace

import pytest

from tfcyclegan.training.callbacks import progress

LOGS = {"loss": 3.25, "cycle_a_loss": 0.5, "images_per_second": 0.0912, "val_ssim_a_to_b": 0.61}


def drive(monkeypatch, out, err, cautions=()) -> None:
    """Two epochs of three steps of two images, as Keras calls a callback."""
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    callback = progress.Progress(batch_size=2)
    callback.set_params({"epochs": 2, "steps": 3})
    callback.set_model(SimpleNamespace(shown=("loss", "not_logged"), cautions=lambda _: cautions))
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for step in range(3):
            callback.on_train_batch_end(step)
        callback.on_epoch_end(epoch, dict(LOGS))
    callback.on_train_end()
    out.flush()
    err.flush()


def test_a_pipe_gets_one_line_per_epoch_and_nothing_else(monkeypatch):
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    with os.fdopen(out_end, "w") as stdout, os.fdopen(err_end, "w") as stderr:
        drive(monkeypatch, stdout, stderr)
    lines = os.read(out, 10_000).decode().splitlines()
    numbers = "loss 3.25, val_ssim_a_to_b 0.61, 0.0912 images/s, ETA 00:00"
    assert lines == [f"epoch 1/2: {numbers}", f"epoch 2/2: {numbers}"]
    assert os.read(err, 10_000) == b""


def test_what_the_model_warns_of_goes_to_standard_error(monkeypatch):
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    with os.fdopen(out_end, "w") as stdout, os.fdopen(err_end, "w") as stderr:
        drive(monkeypatch, stdout, stderr, ["This is far."])
    assert b"This" not in os.read(out, 10_000)
    assert os.read(err, 10_000) == b"warning: This is far.\n" * 2


def test_a_terminal_gets_a_bar_with_rate_and_remaining_time_and_the_lines(monkeypatch):
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "120")
    with os.fdopen(theirs, "w") as terminal:
        drive(monkeypatch, terminal, terminal)
        seen = ""
        while select.select([ours], [], [], 0.1)[0]:
            seen += os.read(ours, 100_000).decode()
    os.close(ours)
    assert re.search(r"\repoch 2/2: 100% \|\S+\| [\d.]+ images/s, ETA 00:00", seen)
    assert seen.count("epoch 1/2: loss 3.25, ") == seen.count("epoch 2/2: loss 3.25, ") == 1


def test_pace_counts_images_per_second_without_the_first_step(monkeypatch):
    clock = iter([100.0, 130.0, 132.0])  # epoch begins, its first step has compiled, it ends
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    pace, logs = progress.Pace(batch_size=4), {}
    pace.on_epoch_begin(0)
    for step in range(3):
        pace.on_train_batch_end(step)
    pace.on_epoch_end(0, logs)
    assert logs == {"seconds": 32.0, "images_per_second": 2 * 4 / 2.0}


def test_pace_of_a_single_step_is_that_step(monkeypatch):
    clock = iter([100.0, 108.0, 108.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    pace, logs = progress.Pace(batch_size=4), {}
    pace.on_epoch_begin(0)
    pace.on_train_batch_end(0)
    pace.on_epoch_end(0, logs)
    assert logs == {"seconds": 8.0, "images_per_second": 0.5}


@pytest.mark.parametrize(("left", "expected"), [(5.4, "00:05"), (3725.0, "1:02:05")])
def test_the_line_says_when_the_run_ends(left, expected):
    assert progress.line(3, 9, {}, LOGS, left).endswith(f"0.0912 images/s, ETA {expected}")
