"""Runs of the training command that are small enough for tests, and directories made once."""

import csv
import fcntl
import os
import pathlib
import shutil
import sys
from collections.abc import Callable

import pytest
from places import ROOT

TINY_NETWORKS = ("--generator_blocks=1", "--generator_filters=4", "--discriminator_filters=4")

TINY_RUN = (
    f"--flagfile={ROOT / 'configs' / 'cpu_128.flags'}",
    "--image_size=64",
    "--discriminator_size=32",
    *TINY_NETWORKS,
    "--epochs=4",
    "--decay_start_epoch=2",
    "--steps_per_epoch=6",
    "--pool_size=3",
    "--validation_pairs=4",
    "--validate_every=1",
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def logical_devices(count: int) -> None:
    """Gives this process logical devices, which stand in for GPUs."""
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * count
    )


def train(data_dir, workdir, *flags: str) -> tuple[str, ...]:
    """Arguments that follow `python`."""
    paths = (f"--data_dir={data_dir}", f"--workdir={workdir}")
    return "-m", "tfcyclegan.train", *TINY_RUN, *paths, *flags


def rows(workdir) -> list[dict]:
    with (workdir / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable) -> pathlib.Path:
    """Returns a directory that is made once for all processes of a test run; they only read it.

    Args:
        factory: The fixture tmp_path_factory.
        name: Name of the directory.
        make: Called with its path, by the process that comes first.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    path, finished = base / name, base / f"{name}.finished"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            finished.touch()
    return path
