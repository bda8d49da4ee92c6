"""The state of a run on disk: everything that training changes, saved whole and restored whole."""

import pathlib
import sys
import tempfile

import tensorflow as tf

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.build import build_model
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.training.distribution.replica_state import ReplicaState
from tfcyclegan.training.rundir.checkpoint_files import CheckpointFolder, Position
from tfcyclegan.training.rundir.workdir import BEST_FOLDER, FLAGS_FILE, FOLDER


class RunCheckpoints:
    """Saves and restores everything that training changes.

    Args:
        workdir: Directory of the run.
        model: The compiled model.
        keep: Checkpoints of ends of epochs to keep.
        keeps: Whether this process writes the workdir. A worker that is not the chief has to save
            with it, because reading what replicas sum takes all of them, but what it saves goes.
        folder: Where in the workdir.
    """

    def __init__(
        self,
        workdir: str,
        model: TranslationModel,
        keep: int = 1,
        keeps: bool = True,
        folder: str = FOLDER,
    ):
        self._keeps = keeps
        self._folder = CheckpointFolder(pathlib.Path(workdir) / folder, keep)
        self._replicas = ReplicaState(model.replica_variables, model.distribute_strategy)
        self._checkpoint = tf.train.Checkpoint(
            model=model, replicas=self._replicas, **model.optimizers
        )

    def restore(self) -> Position | None:
        """Restores the newest sound checkpoint and returns its position, None where there is none.

        Raises:
            UserError: There are checkpoints, but all of them are damaged, or of another model.
        """
        return self._restore_newest(self._folder.found())

    def roll_back(self, trouble: Position) -> Position:
        """Restores the newest checkpoint that a good step followed, and returns its position.

        Only those that every repetition of a run makes at the same place count: ends of epochs, not
        those that the clock or a signal placed.

        Args:
            trouble: Position after the last good step.
        """
        ends = [p for p in self._folder.found() if not p.step]
        return self._restore_newest([end for end in ends if end < trouble] or ends[:1])

    def forget_after(self, last: Position) -> list[Position]:
        """Removes checkpoints later than `last` and returns the others, the newest last."""
        return self._folder.forget_after(last)

    def save(self, position: Position) -> None:
        """Writes a checkpoint."""
        if self._keeps:
            self._folder.write(position, self._checkpoint)
            return
        with tempfile.TemporaryDirectory() as directory:
            self._checkpoint.write(f"{directory}/not_kept")

    def _restore_newest(self, candidates: list[Position]) -> Position | None:
        for position in reversed(candidates):
            damage = self._folder.damage(position)
            if not damage:
                self._read(position)
                return position
            print(
                f"warning: checkpoint {self._folder.prefix(position)} is damaged ({damage});"
                " trying the one before",
                file=sys.stderr,
            )
        if candidates:
            raise UserError(
                f"Every checkpoint of this run is damaged, {len(candidates)} in all. Put back a"
                " copy of one, or begin again in another --workdir.",
                ExitCode.DAMAGED,
            )
        return None

    def _read(self, position: Position) -> None:
        path = self._folder.prefix(position)
        try:
            self._checkpoint.read(path).assert_existing_objects_matched()
            self._replicas.put_back()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            raise UserError(
                f"Checkpoint {path} does not fit the model of this run. Use the flags that it was"
                " trained with, or another --workdir."
            ) from error


def load_run(workdir: str, checkpoint: str = "latest") -> tuple[TranslationModel, TrainConfig, int]:
    """Rebuilds the model of a run from its flags and a checkpoint, in float32.

    Args:
        workdir: Directory of the run.
        checkpoint: "latest", or "best" by validation.

    Returns:
        The model, the run's flags, and the number of finished epochs.

    Raises:
        UserError: The workdir holds no run, or no such checkpoint yet.
    """
    flags = pathlib.Path(workdir) / FLAGS_FILE
    if not flags.is_file():
        raise UserError(
            f"--workdir must be the directory of a training run. Received: {workdir}, which holds"
            f" no {FLAGS_FILE}. Train with python -m tfcyclegan.train first.",
            ExitCode.MISSING,
        )
    config = TrainConfig.of_run(flags.read_text().splitlines())
    model = build_model(config)
    folder = BEST_FOLDER if checkpoint == "best" else FOLDER
    position = RunCheckpoints(workdir, model, folder=folder).restore()
    if position in (None, Position()):
        which = "best checkpoint" if folder == BEST_FOLDER else "checkpoint"
        raise UserError(
            f"--workdir {workdir} holds no {which} yet. Let training finish an epoch.",
            ExitCode.MISSING,
        )
    model.settle()
    return model, config, position.epoch
