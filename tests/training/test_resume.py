"""Runs that are killed, stopped, damaged or diverge, and go on: the command itself, in processes.

`TFCYCLEGAN_KILLS=20` kills as often as the release check does; the suite does it once.
"""

import json
import os
import pathlib
import random
import resource
import shutil
import signal
import time

import numpy as np
import pytest
from ends_of_runs import assert_same_end, checkpoints
from forked import Forked, finished, wait_for
from tiny_runs import train

from tfcyclegan.training.callbacks import order

KILLS = int(os.environ.get("TFCYCLEGAN_KILLS", "1"))
NEWEST = "epoch-0003-step-000000"
"""The newest checkpoint of `interrupted`."""

INJECT = """
import tensorflow as tf
from tfcyclegan import train
from tfcyclegan.config import TrainConfig, run
from tfcyclegan.training import fit
from tfcyclegan.training.callbacks import order

fit.MAX_SKIPPED_STEPS = order.MAX_SKIPPED_STEPS = 3  # more than that a run of a test has not
made = fit.training_batches
fits = []

def with_bad_steps(*arguments, first_step, **options):
    fits.append(first_step)
    good = made(*arguments, first_step=first_step, **options)
    def spoil(step, batch):
        bad = (len(fits) <= {times}) & (step + first_step >= 14)
        factor = tf.where(bad, float("inf"), 1.0)
        return batch[0] * factor, *batch[1:]
    return good.enumerate().map(spoil)

fit.training_batches = with_bad_steps
run(train.main, TrainConfig)
"""
"""Training whose input is infinite from step 14 (the second of epoch 3) in the first fits."""


def save_every_step() -> None:
    """Checkpoints after every step, so that many kills come while one is written."""
    order.CHECKPOINT_MINUTES = 1e-5


def wait_for_change(process: Forked, workdir: pathlib.Path) -> None:
    """Waits until the run has written a checkpoint."""
    before = checkpoints(workdir)
    wait_for(process, lambda: checkpoints(workdir) != before)


@pytest.fixture
def interrupted(tiny_run, tmp_path) -> pathlib.Path:
    """The finished run without its last epoch: it stands at the end of the third."""
    workdir = tmp_path / "run"
    shutil.copytree(tiny_run, workdir)
    shutil.rmtree(workdir / "checkpoints" / "epoch-0004-step-000000")
    return workdir


def test_kill_at_any_instant_then_run_again(tiny_run, dataset, tmp_path):
    draw, landed, inside, runs = random.Random(KILLS), 0, 0, 0
    workdir = tmp_path / "killed"
    while landed < KILLS:
        process = Forked(*train(dataset, workdir), first=save_every_step)
        # Most of the command's time is its start, so most kills wait for the first step after it.
        if draw.random() < 0.9:
            wait_for_change(process, workdir)
            time.sleep(draw.uniform(0, 3))
        else:
            time.sleep(draw.uniform(0, 10))
        killed = process.poll() is None
        process.kill()
        landed += killed
        inside += killed and bool(checkpoints(workdir)) and "000000" not in checkpoints(workdir)[-1]
        # Some are killed several times before they may finish.
        if not killed or landed % 3 == 0 or landed == KILLS:
            code, text = finished(*train(dataset, workdir), first=save_every_step)
            assert code == 0, text
            assert_same_end(workdir, tiny_run)
            shutil.rmtree(workdir)
            runs += 1
    print(f"{landed} kills, {inside} of them inside an epoch, {runs} runs compared")


def test_a_signal_saves_inside_the_epoch_and_the_next_start_continues(
    interrupted, tiny_run, dataset
):
    saved = [NEWEST]
    for number, expected in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = Forked(*train(dataset, interrupted))
        assert wait_for(process, lambda p=process: "continue after epoch 3" in p.printed())
        time.sleep(0.5)  # into the first step, which takes seconds to trace
        process.send_signal(number)
        code, text = process.wait(), process.printed()
        assert code == expected, text
        assert f"error: stopped by {number.name}; epoch 3 and" in text.splitlines()[-1]
        saved.append(checkpoints(interrupted)[-1])
        assert saved[-1].startswith("epoch-0003-step-00000") and saved[-1] > saved[-2]
    code, text = finished(*train(dataset, interrupted))
    assert code == 0 and "continue after epoch 3 and" in text
    assert_same_end(interrupted, tiny_run)


def test_when_all_are_damaged_nothing_begins_from_zero(interrupted, dataset):
    for path in (interrupted / "checkpoints").glob("epoch-*/state.index"):
        path.unlink()
    before = (interrupted / "history.csv").read_bytes()
    code, text = finished(*train(dataset, interrupted))
    assert code == 8 and "error: Every checkpoint of this run is damaged" in text
    assert (interrupted / "history.csv").read_bytes() == before


def little_disk() -> None:
    """Leaves enough for the history, too little for a checkpoint."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_and_damage_to_a_shard_and_the_newest_checkpoint_cost_an_epoch_at_most(
    interrupted, tiny_run, dataset, tmp_path
):
    """Each ends in a sentence of its own, and then the run goes on; it is traced but twice."""
    code, text = finished(*train(dataset, interrupted), first=little_disk)
    assert code == 6 and "Traceback" not in text
    assert text.splitlines()[-1].startswith("error: ")
    copy = tmp_path / "data"
    shutil.copytree(dataset, copy)
    shard = next(copy.glob("*train-t2*"))
    os.truncate(shard, shard.stat().st_size - 1)
    code, text = finished(*train(copy, interrupted))
    assert code == 8 and shard.name in text and "Traceback" not in text
    # So far the run could have gone on from where it stood.
    assert checkpoints(interrupted)[-1] == NEWEST
    newest, kept = (run / "checkpoints" / NEWEST for run in (interrupted, tiny_run))
    assert contents(newest) == contents(kept)
    path = next(newest.glob("state.data*"))
    os.truncate(path, path.stat().st_size // 2)
    code, text = finished(*train(dataset, interrupted))
    assert code == 0 and f"{NEWEST}/state is damaged" in text
    assert "continue after epoch 2 of 4" in text
    assert_same_end(interrupted, tiny_run)


def diverging(data_dir, workdir, times: int) -> tuple[int, str]:
    arguments = train(data_dir, workdir)[2:]
    return finished("-c", INJECT.format(times=times), *arguments)


def test_too_many_bad_steps_turn_back_with_half_the_rate_then_stop(tiny_run, dataset, tmp_path):
    code, text = diverging(dataset, tmp_path / "once", times=1)
    assert code == 0, text
    assert "back to epoch 2 at half the learning rate" in text
    rows, whole = (
        [line.split(",") for line in (path / "history.csv").read_text().splitlines()]
        for path in (tmp_path / "once", tiny_run)
    )
    assert len(rows) == 5 and rows[:3] == whole[:3]
    rate, skipped = rows[0].index("learning_rate"), rows[0].index("skipped_steps")
    # Undisturbed: 2e-3, 2e-3, 1e-3, 0.
    made = [float(row[rate]) for row in rows[1:]]
    np.testing.assert_allclose(made, [2e-3, 2e-3, 5e-4, 0], rtol=1e-6)
    assert rows[3][1] != whole[3][1] and np.isfinite(float(rows[3][1]))
    assert [row[skipped] for row in rows[1:]] == ["0"] * 4

    code, text = diverging(dataset, tmp_path / "always", times=9)
    assert code == 1 and "Traceback" not in text
    last = text.splitlines()[-1]
    assert "3 steps in a row had a loss or gradient that is not finite, again at half" in last


def test_allowed_changes_are_recorded_with_their_epoch(interrupted, dataset):
    flags = ("--cycle_weight=5", "--allow_config_change", "--dry_run=false")
    code, text = finished(*train(dataset, interrupted, *flags))
    assert code == 0, text
    changes = json.loads((interrupted / "run.json").read_text())["config_changes"]
    assert changes == [{"epoch": 3, "step": 0, "changed": ["--cycle_weight was 0.5 and is 5.0"]}]
