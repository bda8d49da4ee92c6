"""The state of a run on disk: everything that training changes, saved whole and restored whole."""

import dataclasses
import os
import pathlib
import tempfile

import tensorflow as tf

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models import CycleGAN, build_model

FLAGS_FILE = "flags.txt"
FOLDER = "checkpoints"
FREE_FLAGS = frozenset(
    {
        "dry_run",
        "data_dir",
        "workdir",
        "strategy",
        "cluster_timeout_s",
        "validate_every",
        "validation_pairs",
        "histograms",
        "checkpoint_every",
        "keep_checkpoints",
        "allow_config_change",
    }
)
"""Flags that may change when a run continues, because they leave its mathematics alone."""


class RunCheckpoints:
    """Saves the model, both optimizers and the number of finished epochs.

    TensorFlow writes a checkpoint beside the others and then renames the file that names the
    newest, so a process killed at any instant leaves a whole one.

    Args:
        workdir: Directory of the run.
        model: The compiled model.
        keep: Checkpoints to keep.
        keeps: Whether this process writes the workdir. A worker that is not the chief has to save
            with it, because reading what replicas sum takes all of them, but what it saves goes.
    """

    def __init__(self, workdir: str, model: CycleGAN, keep: int = 1, keeps: bool = True):
        self._keeps = keeps
        self._epochs = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            model=model,
            generator_optimizer=model.optimizer,
            discriminator_optimizer=model.discriminator_optimizer,
            epochs=self._epochs,
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(pathlib.Path(workdir) / FOLDER), max_to_keep=keep
        )

    def restore(self) -> int:
        """Restores the newest checkpoint and returns its number of finished epochs, 0 without."""
        path = self._manager.latest_checkpoint
        if path is None:
            return 0
        try:
            status = self._checkpoint.restore(path)
            status.assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            raise UserError(
                f"Checkpoint {path} does not fit the model of this run. Use the flags that it was"
                " trained with, or another --workdir."
            ) from error
        return int(self._epochs.numpy())

    def save(self, epochs: int) -> None:
        """Writes a checkpoint after `epochs` finished epochs."""
        self._epochs.assign(epochs)
        if self._keeps:
            self._manager.save(checkpoint_number=epochs)
        else:
            with tempfile.TemporaryDirectory() as directory:
                self._checkpoint.write(f"{directory}/not_kept")


def load_run(workdir: str) -> tuple[CycleGAN, TrainConfig, int]:
    """Rebuilds the model of a run from its flags and newest checkpoint, in float32.

    Returns:
        The model, the run's flags, and the number of finished epochs.

    Raises:
        UserError: The workdir holds no run, or no checkpoint yet.
    """
    flags = pathlib.Path(workdir) / FLAGS_FILE
    if not flags.is_file():
        raise UserError(
            f"--workdir must be the directory of a training run. Received: {workdir}, which holds"
            f" no {FLAGS_FILE}. Train with python -m tfcyclegan.train first.",
            5,
        )
    config = TrainConfig.parse(f"--flagfile={flags}")
    model = build_model(config)
    epochs = RunCheckpoints(workdir, model).restore()
    if not epochs:
        raise UserError(
            f"--workdir {workdir} holds no checkpoint yet. Let training finish an epoch.", 5
        )
    return model, config, epochs


def claim_workdir(config: TrainConfig) -> None:
    """Writes the flags of a new run, or checks that they are those of the run found there.

    Raises:
        UserError: A flag that changes the mathematics differs, or the directory cannot be written.
    """
    path = pathlib.Path(config.workdir) / FLAGS_FILE
    if path.is_file():
        changed = _changed_flags(TrainConfig.parse(f"--flagfile={path}"), config)
        if changed and not config.allow_config_change:
            raise UserError(
                f"--workdir {config.workdir} holds a run with other mathematics: {changed}. Use the"
                " same flags, another --workdir, or --allow_config_change.",
                8,
            )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, config.to_flagfile())
    except OSError as error:
        raise UserError(
            f"--workdir {config.workdir} cannot be written: {error.strerror}. Choose another.", 6
        ) from error


def _changed_flags(before: TrainConfig, now: TrainConfig) -> str:
    changes = []
    for field in dataclasses.fields(TrainConfig):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if field.name not in FREE_FLAGS and old != new:
            changes.append(f"--{field.name} was {old} and is {new}")
    return "; ".join(changes)


def write_atomically(path: pathlib.Path, text: str) -> None:
    """Writes a text file beside and renames it, so that a reader never sees half of it."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    os.replace(beside, path)
