"""Two logical CPUs for tests of distribution, set before TensorFlow initialises; one shared run."""

import subprocess
import sys

import pytest
import tensorflow as tf
from record_sets import write_dataset

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

TINY_RUN = (
    "--image_size=32",
    "--generator_blocks=1",
    "--generator_filters=4",
    "--discriminator_filters=4",
    "--epochs=4",
    "--decay_start_epoch=2",
    "--steps_per_epoch=6",
    "--pool_size=3",
    "--ema_decay=0.9",
    "--validation_pairs=4",
    "--validate_every=1",
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


LONGEST = (
    "test_resume",
    "test_multi_worker",
    "test_end_to_end",
    "test_train",
    "test_ingest_resume",
    "test_basin",
)
"""Files that take a minute or more go first, lest one process be left with them at the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Converted records of seven patients, three splits."""
    return write_dataset(tmp_path_factory.mktemp("records") / "data")


@pytest.fixture(scope="session")
def tiny_run(dataset, tmp_path_factory):
    """Workdir of a finished tiny training run, made by the command itself."""
    workdir = tmp_path_factory.mktemp("run") / "workdir"
    flags = (*TINY_RUN, f"--data_dir={dataset}", f"--workdir={workdir}")
    result = subprocess.run(
        command("-m", "tfcyclegan.train", *flags), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return workdir
