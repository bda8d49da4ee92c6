"""Every file in configs/ under every strategy, by the commands that the documents print.

Each is trained for two epochs, killed in the second, continued to the bit, evaluated and exported.
Networks are small and epochs short; all else is what a user has on. It takes minutes, so it is not
part of `make test`: `make test-configurations` runs it, and so does `make check`.
"""

import json
import pathlib
import time
from typing import NamedTuple

import pytest
import tensorflow as tf
from forked import Forked, finished
from printed_commands import CONFIGS, command, command_of
from test_resume import assert_same_end, checkpoints
from worker_processes import DEADLINE_S, free_ports, tf_config

pytestmark = pytest.mark.configurations

SMALL = (
    "--generator_blocks=1",
    "--generator_filters=4",
    "--discriminator_filters=4",
    "--epochs=2",
    "--decay_start_epoch=1",
    "--steps_per_epoch=4",
    "--cluster_timeout_s=300",
)
"""What is not as in the configuration; nothing of it changes what a step is made of."""


def two_devices() -> None:
    """Gives this process two logical devices in place of two GPUs."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


class Strategy(NamedTuple):
    """How a run is started.

    Args:
        flag: The --strategy of the command in docs/distributed.md; without one the command is that
            at the top of the configuration.
        replicas: Replicas, and the batch size.
        processes: Workers; 0 where TF_CONFIG is not set.
    """

    flag: str
    replicas: int
    processes: int = 0

    def words(self, config: pathlib.Path, **paths: pathlib.Path) -> tuple[str, ...]:
        """What follows `python`."""
        if not self.flag:
            return command_of(config, **paths) + SMALL
        values = {"flagfile": config, "batch_size": self.replicas, **paths}
        page = command(
            "docs/distributed.md", "tfcyclegan.train", f"--strategy={self.flag}", **values
        )
        return page + SMALL


STRATEGIES = {
    "single": Strategy("", 1),
    "mirrored_on_one_device": Strategy("mirrored", 1),
    "mirrored_on_two_devices": Strategy("mirrored", 2),
    "one_worker": Strategy("multi_worker", 1, processes=1),
    "two_workers": Strategy("multi_worker", 2, processes=2),
}


class Run:
    """The processes of one start of a command; those that are left at the end are killed."""

    def __init__(self, words: tuple[str, ...], strategy: Strategy):
        ports = free_ports(strategy.processes)
        environments = [{"TF_CONFIG": tf_config(ports, i)} for i in range(len(ports))] or [{}]
        several = strategy.replicas > len(environments)
        self.processes = [
            Forked(*words, environment=environment, first=two_devices if several else None)
            for environment in environments
        ]

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error) -> None:
        for process in self.processes:
            process.kill()

    def finish(self) -> list[str]:
        """What each process printed, when all have ended well."""
        codes = [process.wait(DEADLINE_S) for process in self.processes]
        printed = [process.printed() for process in self.processes]
        assert not any(codes), "\n".join(printed)
        return printed


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_trains_resumes_is_evaluated_and_exported(config, name, dataset, tmp_path):
    strategy = STRATEGIES[name]

    def train(workdir: pathlib.Path) -> Run:
        return Run(strategy.words(config, data_dir=dataset, workdir=workdir), strategy)

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    with train(undisturbed) as run:
        printed = run.finish()
    assert all(f"{strategy.replicas} replica(s)" in text for text in printed)
    with train(killed) as run:
        deadline = time.monotonic() + DEADLINE_S
        while "epoch-0001-step-000000" not in checkpoints(killed):
            alive = all(process.poll() is None for process in run.processes)
            assert alive and time.monotonic() < deadline, run.processes[0].printed()
            time.sleep(0.01)
    assert checkpoints(killed)[-1] == "epoch-0001-step-000000"
    with train(killed) as run:
        printed = run.finish()
    assert all("continue after epoch 1 of 2" in text for text in printed)
    assert_same_end(killed, undisturbed)

    evaluated, exported = tmp_path / "evaluated", tmp_path / "exported"
    road = (
        ("tfcyclegan.evaluate", {"data_dir": dataset, "output": evaluated}),
        ("tfcyclegan.export", {"output": exported}),
    )
    for program, paths in road:
        code, text = finished(*command("README.md", program, workdir=killed, **paths))
        assert code == 0, text
    assert json.loads((evaluated / "metrics.json").read_text())["methods"]
    assert (exported / "1" / "saved_model.pb").is_file()
