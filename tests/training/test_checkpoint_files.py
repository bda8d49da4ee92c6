"""Checkpoints survive a kill at any instant, a full disk and bad sectors."""

import os
import resource
import shutil
from types import SimpleNamespace

import pytest
import tensorflow as tf

from tfcyclegan import files as whole_files
from tfcyclegan.errors import UserError
from tfcyclegan.training.distribution.strategies import explained_loss
from tfcyclegan.training.rundir import checkpoint_files
from tfcyclegan.training.rundir.checkpoint_files import CheckpointFolder, Position

FIRST, SECOND = Position(1), Position(1, 40)


class Killed(BaseException):
    """Stands for SIGKILL: nothing that is written catches it."""


def saved(folder, *positions: Position, keep: int = 3) -> tuple[CheckpointFolder, tf.Variable]:
    """Writes checkpoints of one variable that holds 100 x epoch + step."""
    files, value = CheckpointFolder(folder, keep), tf.Variable(tf.zeros([1000]))
    checkpoint = tf.train.Checkpoint(value=value)
    for position in positions:
        value.assign(tf.fill([1000], 100.0 * position.epoch + position.step))
        files.write(position, checkpoint)
    return files, checkpoint


def value_of(files: CheckpointFolder, position: Position) -> float:
    return tf.train.load_variable(files.prefix(position), "value/.ATTRIBUTES/VARIABLE_VALUE")[0]


@pytest.mark.parametrize("name", ["mkdir", "write", "sync", "replace", "_sweep"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_instant_of_a_write_leaves_a_whole_newest_one(
    tmp_path, monkeypatch, name, after
):
    files, checkpoint = saved(tmp_path, FIRST)
    places = {
        "mkdir": checkpoint_files.pathlib.Path,
        "write": tf.train.Checkpoint,
        "sync": whole_files,
        "_sweep": CheckpointFolder,
        "replace": os,
    }
    original = getattr(places[name], name)

    def killed(*arguments, **options):
        if after:
            original(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(places[name], name, killed)
        files.write(SECOND, checkpoint)
    again = CheckpointFolder(tmp_path, 3)
    newest = again.found()[-1]
    assert newest in (FIRST, SECOND) and not again.damage(newest)
    again.write(SECOND, checkpoint)
    assert again.found() == [FIRST, SECOND] and not again.damage(SECOND)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint",
        "epoch-0001-step-000000",
        "epoch-0001-step-000040",
    ]


def test_tensorflow_finds_the_newest_too(tmp_path):
    files, _ = saved(tmp_path, FIRST, SECOND)
    assert tf.train.latest_checkpoint(tmp_path) == files.prefix(SECOND)


def damage_cases() -> dict:
    def data(folder):
        return next(folder.glob("state.data*"))

    def flip(path):
        blob = bytearray(path.read_bytes())
        blob[len(blob) // 2] ^= 1
        path.write_bytes(blob)

    return {
        "data cut": lambda f: os.truncate(data(f), 100),
        "data empty": lambda f: os.truncate(data(f), 0),
        "one bit of data": lambda f: flip(data(f)),
        "no data": lambda f: data(f).unlink(),
        "no index": lambda f: (f / "state.index").unlink(),
        "index cut": lambda f: os.truncate(f / "state.index", 50),
        "one bit of index": lambda f: flip(f / "state.index"),
        "garbage index": lambda f: (f / "state.index").write_bytes(b"garbage" * 100),
        "nothing in it": lambda f: [path.unlink() for path in f.iterdir()],
    }


@pytest.mark.parametrize("case", damage_cases())
def test_damage_is_noticed(tmp_path, case):
    files, _ = saved(tmp_path, FIRST, SECOND)
    assert not files.damage(SECOND)
    damage_cases()[case](tmp_path / "epoch-0001-step-000040")
    assert files.damage(SECOND) and "\n" not in files.damage(SECOND)
    assert not files.damage(FIRST) and value_of(files, FIRST) == 100


def test_ends_of_epochs_are_kept_and_only_the_newest_inside_one(tmp_path):
    made = [Position(e, s) for e in range(4) for s in (0, 10, 20)]
    files, checkpoint = saved(tmp_path, *made, keep=2)
    assert files.found() == [Position(2), Position(3), Position(3, 20)]
    # Turned back: what is later belongs to a branch that was given up.
    files.write(Position(2, 5), checkpoint)
    assert files.found() == [Position(2), Position(2, 5)]


def test_a_full_disk_says_so_in_one_line_and_leaves_the_older_ones(tmp_path):
    files, checkpoint = saved(tmp_path, FIRST)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(UserError, match="A checkpoint cannot be written") as caught:
            files.write(SECOND, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 6 and "\n" not in str(caught.value)
    assert files.found() == [FIRST] and not files.damage(FIRST)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "epoch-0001-step-000000"}
    files.write(SECOND, checkpoint)
    assert not files.damage(SECOND)


def test_a_folder_that_cannot_be_written_is_an_error_of_the_user(tmp_path):
    files, checkpoint = saved(tmp_path / "run", FIRST)
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="cannot be written to .*run: Not a directory"):
        files.write(SECOND, checkpoint)


def test_a_worker_that_is_lost_while_all_save_is_no_full_disk(tmp_path):
    files, _ = saved(tmp_path, FIRST)

    def write(path: str) -> None:
        raise tf.errors.AbortedError(None, None, "Collective ops is aborted by: Socket closed")

    lost = SimpleNamespace(write=write)
    with pytest.raises(tf.errors.AbortedError, match="Socket closed"):
        files.write(SECOND, lost)
    ended = pytest.raises(UserError, match="Another worker of this run ended")
    with ended as caught, explained_loss():
        files.write(SECOND, lost)
    assert caught.value.exit_code == 10 and files.found() == [FIRST]
