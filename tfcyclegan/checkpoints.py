"""The state of a run on disk: everything that training changes, saved whole and restored whole."""

import dataclasses
import json
import pathlib
import sys
import tempfile

import tensorflow as tf

from tfcyclegan.checkpoint_files import CheckpointFolder, Position
from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.files import write_atomically
from tfcyclegan.models import CycleGAN, build_model
from tfcyclegan.replica_state import ReplicaState

FLAGS_FILE = "flags.txt"
RUN_FILE = "run.json"
FOLDER = "checkpoints"
BEST_FOLDER = "best"
CHANGES = "config_changes"
KEPT_RECORDS = (CHANGES, "validation", "selection")
"""What of run.json outlives the start that wrote it."""
FREE_FLAGS = frozenset(
    {
        "dry_run",
        "data_dir",
        "workdir",
        "strategy",
        "cluster_timeout_s",
        "validate_every",
        "validation_pairs",
        "best_by",
        "histograms",
        "wrong_basin",
        "checkpoint_every",
        "checkpoint_minutes",
        "keep_checkpoints",
        "allow_config_change",
    }
)
"""Flags that may change when a run continues, because they leave its mathematics alone."""
RECORDS = ("dataset_hash", "split_hash")
"""What run.json says of the records, wherever they lie."""


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
        model: CycleGAN,
        keep: int = 1,
        keeps: bool = True,
        folder: str = FOLDER,
    ):
        self._keeps = keeps
        self._folder = CheckpointFolder(pathlib.Path(workdir) / folder, keep)
        self._replicas = ReplicaState(model.replica_variables, model.distribute_strategy)
        self._checkpoint = tf.train.Checkpoint(
            model=model,
            generator_optimizer=model.optimizer,
            discriminator_optimizer=model.discriminator_optimizer,
            replicas=self._replicas,
        )

    def restore(self) -> Position | None:
        """Restores the newest sound checkpoint and returns its position, None where there is none.

        Raises:
            UserError: There are checkpoints, but all of them are damaged, or of another model.
        """
        return self._restore_newest(self._folder.found())

    def roll_back(self, trouble: Position, every: int) -> Position:
        """Restores the newest checkpoint that a good step followed, and returns its position.

        Only those that every repetition of a run makes at the same place count: ends of every few
        epochs, not those that the clock or a signal placed.

        Args:
            trouble: Position after the last good step.
            every: Epochs between checkpoints.
        """
        ends = [p for p in self._folder.found() if not p.step and p.epoch % every == 0]
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
                8,
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


def load_run(workdir: str, checkpoint: str = "latest") -> tuple[CycleGAN, TrainConfig, int]:
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
            5,
        )
    config = TrainConfig.of_run(flags.read_text().splitlines())
    model = build_model(config)
    folder = BEST_FOLDER if checkpoint == "best" else FOLDER
    position = RunCheckpoints(workdir, model, folder=folder).restore()
    if position in (None, Position()):
        which = "best checkpoint" if folder == BEST_FOLDER else "checkpoint"
        raise UserError(
            f"--workdir {workdir} holds no {which} yet. Let training finish an epoch.", 5
        )
    return model, config, position.epoch


def claim_workdir(config: TrainConfig, records: dict[str, str] | None = None) -> None:
    """Writes the flags of a new run, or checks that they are those of the run found there.

    Changes that --allow_config_change lets pass are recorded in run.json before they take effect.

    Args:
        config: Flags of the run.
        records: Its `RECORDS`, which must be those of the run found there as well.

    Raises:
        UserError: A flag that changes the mathematics differs, or the records do, or the directory
            cannot be written.
    """
    path = pathlib.Path(config.workdir) / FLAGS_FILE
    changed = changes(config, records or {})
    if changed and not config.allow_config_change:
        raise UserError(
            f"--workdir {config.workdir} holds a run with other mathematics:"
            f" {'; '.join(changed)}. Use the same flags and records, another --workdir, or"
            " --allow_config_change.",
            8,
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if changed:
            _record_change(path.parent, changed)
        write_atomically(path, config.to_flagfile())
    except OSError as error:
        raise UserError(
            f"--workdir {config.workdir} cannot be written: {error.strerror}. Choose another.", 6
        ) from error


def changes(config: TrainConfig, records: dict[str, str]) -> list[str]:
    """Returns how the run in --workdir differs from one with these flags and `RECORDS`."""
    path = pathlib.Path(config.workdir) / FLAGS_FILE
    if not path.is_file():
        return []
    found = changed_flags(TrainConfig.of_run(path.read_text().splitlines()), config)
    known = recorded(path.parent)
    if any(known.get(name, value) != value for name, value in records.items()):
        found.append("--data_dir holds other records, or other splits of them, than it did")
    return found


def recorded(workdir: pathlib.Path) -> dict:
    """Returns what run.json says; nothing where there is none."""
    path = workdir / RUN_FILE
    return json.loads(path.read_text()) if path.is_file() else {}


def record(workdir: pathlib.Path, name: str, value) -> None:
    """Makes run.json say that `name` is `value`."""
    described = {**recorded(workdir), name: value}
    write_atomically(workdir / RUN_FILE, json.dumps(described, indent=2) + "\n")


def _record_change(workdir: pathlib.Path, changed: list[str]) -> None:
    newest = max(CheckpointFolder(workdir / FOLDER, 1).found(), default=Position())
    change = {"epoch": newest.epoch, "step": newest.step, "changed": changed}
    record(workdir, CHANGES, [*recorded(workdir).get(CHANGES, []), change])


def changed_flags(before: TrainConfig, now: TrainConfig) -> list[str]:
    """Returns the flags in which two configurations differ, but for `FREE_FLAGS`."""
    found = []
    for field in dataclasses.fields(TrainConfig):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if field.name not in FREE_FLAGS and old != new:
            found.append(f"--{field.name} was {old} and is {new}")
    return found
