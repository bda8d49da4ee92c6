"""run.json: what made a run, for whoever wants to repeat it or to compare its speed."""

import importlib.metadata
import os
import pathlib
import platform
import re

import tensorflow as tf

import tfcyclegan
from tfcyclegan.config import TrainConfig
from tfcyclegan.data import manifest

CPUINFO = pathlib.Path("/proc/cpuinfo")


def describe(config: TrainConfig, shards: list[manifest.Shard], arguments: list[str]) -> dict:
    """Returns what run.json says.

    Nothing is asked of the system that names the machine or its user; the command is kept as it
    was typed, paths included.

    Args:
        config: Flags of the run.
        shards: Rows of the manifest of its data.
        arguments: Words of the command line after the program.
    """
    return {
        "command": ["python", "-m", "tfcyclegan.train", *arguments],
        "dataset_hash": manifest.dataset_hash(shards),
        "split_hash": manifest.split_hash(shards),
        "window_percentiles": manifest.window_percentiles(config.data_dir),
        "folds": config.folds[0],
        "fold": config.folds[1],
        "seed": config.seed,
        "deterministic": config.deterministic,
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "hardware": hardware(),
        "versions": {
            **required_versions(),
            "tfcyclegan": tfcyclegan.__version__,
            "python": platform.python_version(),
            # TensorFlow is also installed under other names, such as tensorflow-cpu.
            "tensorflow": tf.__version__,
        },
    }


def required_versions() -> dict[str, str]:
    """Returns the installed version of each package that this one requires to run."""
    versions = {}
    for requirement in importlib.metadata.requires(tfcyclegan.__name__) or ():
        name = re.match(r"[\w.-]+", requirement).group()
        if "extra ==" not in requirement and name != "tensorflow":
            versions[name] = importlib.metadata.version(name)
    return versions


def hardware() -> dict:
    """Returns the system, the CPU with the cores that this process may use, and the GPUs."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "system": platform.system(),
        "cpu": {
            "model": cpu_model(CPUINFO.read_text() if CPUINFO.is_file() else ""),
            "architecture": platform.machine(),
            "cores": _usable_cores(),
        },
        "gpus": [
            tf.config.experimental.get_device_details(gpu).get("device_name", "unknown")
            for gpu in gpus
        ],
    }


def cpu_model(cpuinfo: str) -> str:
    """Returns the first model name in Linux' description of the CPU, or "unknown"."""
    for text in cpuinfo.splitlines():
        name, _, value = text.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown"


def _usable_cores() -> int:
    # Containers and schedulers give a process fewer than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
