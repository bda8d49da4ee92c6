"""Two logical CPUs for tests of distribution, set before TensorFlow initialises; one shared run."""

import os
import pathlib
import subprocess

import pytest
from tiny_runs import TINY_RUN, command, logical_devices, made_once

# What tests pin, some of it to the bit, is the CPU's arithmetic, also where there is a GPU
# (CONTRIBUTING.md). Processes that tests start inherit it.
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def pytest_configure(config):
    """Not where xdist only hands out tests: there TensorFlow would cost seconds for nothing."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        logical_devices(2)


LONGEST = (
    "test_resume",
    "test_multi_worker",
    "test_end_to_end",
    "test_benchmark",
    "test_train",
    "test_serving_clients",
    "test_gradients",
    "test_distribution",
    "test_ingest_resume",
    "test_ablation",
)
"""Files that take half a minute or more go first, lest one process be left with them at the end."""


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


ELSEWHERE = ("../shared", "make parity", "make test-beam", "real server", "has no IPv6")
"""Skips may miss these where TFCYCLEGAN_PEERS=all says that every other peer is installed."""


def refuse_skip(report):
    if report.skipped and os.environ.get("TFCYCLEGAN_PEERS") == "all":
        reason = report.longrepr[2]
        if not any(text in reason for text in ELSEWHERE):
            report.outcome, report.longrepr = "failed", f"A peer should be here. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return refuse_skip((yield))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Converted records of seven patients, three splits."""
    from record_sets import write_dataset

    return made_once(tmp_path_factory, "data", write_dataset)


@pytest.fixture(scope="session")
def tiny_run(dataset, tmp_path_factory):
    """Workdir of a finished tiny training run, made by the command itself."""

    def train(workdir: pathlib.Path) -> None:
        flags = (*TINY_RUN, f"--data_dir={dataset}", f"--workdir={workdir}")
        result = subprocess.run(
            command("-m", "tfcyclegan.train", *flags), capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr

    return made_once(tmp_path_factory, "tiny_run", train)


@pytest.fixture(scope="module")
def float64():
    """Collective operations of one process keep the type that they were first traced with."""
    from replica_run import set_precision

    set_precision("float64")
    yield
    set_precision("float32")
