"""Two logical CPUs for tests of distribution, set before TensorFlow initialises; one shared run."""

import gc
import os
import pathlib

import pytest
from forked import finished
from forked_python import stand_in
from tiny_runs import logical_devices, made_once
from tiny_runs import train as training

# Imports and traced models make objects by the million, hardly any of them garbage; going through
# all of them as often as Python does took a second of every import of TensorFlow.
gc.set_threshold(20_000, 10, 10)

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
    "test_conformance",
    "test_benchmark",
    "test_end_to_end",
    "test_ablation",
    "test_distribution",
    "test_slurm",
    "test_downstream",
    "test_export",
    "test_ingest_resume",
    "test_serving_clients",
    "test_gradients",
    "test_one_way",
    "test_validation",
    "test_train",
)
"""The files that take longest go first, lest one process be left with them at the end."""


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
        code, text = finished(*training(dataset, workdir))
        assert code == 0, text

    return made_once(tmp_path_factory, "tiny_run", train)


@pytest.fixture(scope="session")
def forked_python(tmp_path_factory):
    """Path of what programs may take for `python`; its processes are forked."""
    with stand_in(tmp_path_factory.mktemp("python")) as path:
        yield path


@pytest.fixture(scope="module")
def float64():
    """Collective operations of one process keep the type that they were first traced with."""
    from replica_run import set_precision

    set_precision("float64")
    yield
    set_precision("float32")
