"""Checkpoints as files: written beside and renamed, found by name, verified before use."""

import dataclasses
import pathlib
import re
import shutil

import tensorflow as tf

from tfcyclegan import files
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.training.distribution.strategies import LOST_WORKER

NAME = re.compile(r"epoch-(\d+)-step-(\d+)")
PREFIX = "state"


@dataclasses.dataclass(frozen=True, order=True)
class Position:
    """Where a run stands.

    Args:
        epoch: Finished epochs.
        step: Steps taken of the epoch after them.
    """

    epoch: int = 0
    step: int = 0

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f" and {self.step} steps" if self.step else "")


class CheckpointFolder:
    """The checkpoints of a run, one directory each: `epoch-0007-step-000120/state.*`.

    A directory gets its name when all in it is on the disk, in one rename. So a process killed at
    any instant leaves whole checkpoints and at most one nameless directory, which the next write
    removes. `checkpoint`, the file that names the newest to TensorFlow's tools, is not read here.

    Args:
        folder: The directory; made by the first write.
        keep: Checkpoints of ends of epochs to keep.
    """

    def __init__(self, folder: pathlib.Path, keep: int):
        self._folder, self._keep = folder, keep

    def found(self) -> list[Position]:
        """Returns what the names promise, the newest last."""
        if not self._folder.is_dir():
            return []
        names = [NAME.fullmatch(path.name) for path in self._folder.iterdir()]
        return sorted(Position(int(name[1]), int(name[2])) for name in names if name)

    def forget_after(self, last: Position) -> list[Position]:
        """Removes checkpoints later than `last` and returns the others, the newest last."""
        for position in self.found():
            if position > last:
                shutil.rmtree(self._path(position))
        return self.found()

    def prefix(self, position: Position) -> str:
        """Returns the path that TensorFlow reads a checkpoint by."""
        return str(self._path(position) / PREFIX)

    def write(self, position: Position, checkpoint: tf.train.Checkpoint) -> None:
        """Writes a checkpoint, then removes those that it makes superfluous.

        Raises:
            UserError: The disk is full or the directory cannot be written; the older checkpoints
                are untouched.
        """
        try:
            self._write(position, checkpoint)
        except LOST_WORKER:  # all of them save together
            raise
        except (OSError, tf.errors.OpError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message.splitlines()[0]
            raise UserError(
                f"A checkpoint cannot be written to {self._folder}: {reason}. The older ones are"
                " untouched: free space or permit writing, then the same command continues.",
                ExitCode.NOT_WRITABLE,
            ) from error

    def damage(self, position: Position) -> str:
        """Returns why a checkpoint cannot be used, or nothing: every byte is read and checked."""
        try:
            reader = tf.train.load_checkpoint(self.prefix(position))
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)  # compared with the checksum that the index holds
        except (tf.errors.OpError, ValueError, LookupError, RuntimeError) as error:
            return str(error).splitlines()[0]
        return ""

    def _write(self, position: Position, checkpoint: tf.train.Checkpoint) -> None:
        path = self._path(position)
        # What it replaces is damaged, or of a branch that was given up.
        with files.replacing(path, flag=None) as beside:
            beside.mkdir(parents=True)
            checkpoint.write(str(beside / PREFIX))
        self._sweep(position)
        self._name_newest(f"{path.name}/{PREFIX}")

    def _sweep(self, newest: Position) -> None:
        """Removes all but `newest` and the last few ends of epochs up to it.

        What is later than `newest` is damaged, or of a branch that the run has turned back from.
        """
        ends = [p for p in self.found() if p <= newest and not p.step]
        for position in set(self.found()) - {newest, *ends[-self._keep :]}:
            shutil.rmtree(self._path(position))
        files.remove_unfinished(self._folder.iterdir())

    def _name_newest(self, prefix: str) -> None:
        """Writes the text form of CheckpointState, which tf.train.latest_checkpoint reads."""
        text = f'model_checkpoint_path: "{prefix}"\nall_model_checkpoint_paths: "{prefix}"\n'
        files.write(self._folder / "checkpoint", text, flag=None)

    def _path(self, position: Position) -> pathlib.Path:
        return self._folder / f"epoch-{position.epoch:04d}-step-{position.step:06d}"


def position(start: Position, epoch: int, batch: int) -> Position:
    """Returns where a run stands after batch 0, 1, ... of an epoch in a fit that began at `start`.

    Keras counts the batches of an epoch that is continued from 0.
    """
    return Position(epoch, batch + 1 + (start.step if epoch == start.epoch else 0))
