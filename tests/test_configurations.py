"""Every file in configs/ under every strategy, by the commands that the documents print.

Each is trained for two epochs, killed in the second, continued to the bit, evaluated and exported.
Networks are small and epochs short; all else is what a user has on. It takes minutes, so it is not
part of `make test`: `make test-configurations` runs it, and so does `make check`.
"""

import functools
import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import pytest
from ends_of_runs import assert_same_end, checkpoints
from forked import Forked, finished, wait_for
from printed_commands import CONFIGS, command, command_of
from record_sets import write_dataset
from tiny_runs import TINY_NETWORKS, logical_devices
from worker_processes import Processes, Workers

pytestmark = pytest.mark.configurations

SMALL = (
    *TINY_NETWORKS,
    "--generator_blocks=2",  # CUT compares features of two
    "--epochs=2",
    "--decay_start_epoch=1",
    "--steps_per_epoch=4",
)
"""What is not as in the configuration; nothing of it changes what a step is made of."""


OWN = {
    "dcgan_128": ("--image_size=64", "--generator_blocks=9"),
    "tumorgan_128": ("--image_size=64", "--generator_blocks=9", "--unet_levels=3"),
    "dcgan_256": ("--image_size=64", "--generator_blocks=9", "--batch_size=8"),
    "tumorgan_256": ("--image_size=64", "--generator_blocks=9", "--unet_levels=3"),
    # At 256 px with several examples two runs differ in their last bits (docs/training.md).
    "idcgan_256": ("--image_size=128",),
}
"""Configuration to what it cannot have as small as the others, or has not at all."""
SHARE = {"dcgan_128": 8}
"""Configuration to the examples of a replica, where one is too few."""


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
        batch = self.replicas * SHARE.get(config.stem, 1)
        small = (*SMALL, *OWN.get(config.stem, ()))
        if not self.flag:
            return command_of(config, **paths) + small
        values = {"flagfile": config, "batch_size": batch, **paths}
        page = command(
            "docs/distributed.md", "tfcyclegan.train", f"--strategy={self.flag}", **values
        )
        return page + small

    def start(self, words: tuple[str, ...]) -> Processes:
        """Starts the command, once for each worker."""
        if self.processes:
            return Workers(*[words] * self.processes)
        devices = functools.partial(logical_devices, self.replicas) if self.replicas > 1 else None
        return Processes([Forked(*words, first=devices)])


STRATEGIES = {
    "single": Strategy("", 1),
    "mirrored_on_one_device": Strategy("mirrored", 1),
    "mirrored_on_two_devices": Strategy("mirrored", 2),
    "one_worker": Strategy("multi_worker", 1, processes=1),
    "two_workers": Strategy("multi_worker", 2, processes=2),
}


LARGER = [
    path
    for path in CONFIGS
    if path.stem.endswith("_256") and path.with_name(path.name.replace("256", "128")) in CONFIGS
]
"""Configurations that are others at another size, which one strategy is enough for."""
CASES = [
    pytest.param(path, name, id=f"{path.stem}-{name}")
    for path in CONFIGS
    for name in STRATEGIES
    if name == "single" or path not in LARGER
]


@pytest.fixture(scope="module")
def data(dataset, tmp_path_factory) -> Callable[[pathlib.Path], pathlib.Path]:
    """From a configuration to records that it can learn from."""
    masked = write_dataset(tmp_path_factory.mktemp("masked") / "records", masks=True)
    return lambda config: masked if config.stem.startswith("tumorgan") else dataset


@pytest.mark.parametrize(("config", "name"), CASES)
def test_a_configuration_trains_resumes_is_evaluated_and_exported(config, name, data, tmp_path):
    strategy, dataset = STRATEGIES[name], data(config)

    def train(workdir: pathlib.Path) -> Processes:
        return strategy.start(strategy.words(config, data_dir=dataset, workdir=workdir))

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    with train(undisturbed) as run:
        printed = run.finish()
    assert all(f"{strategy.replicas} replica(s)" in text for text in printed)
    with train(killed) as run:
        chief = run.processes[0]
        assert wait_for(chief, lambda: "epoch-0001-step-000000" in checkpoints(killed)), (
            chief.printed()
        )
    assert checkpoints(killed)[-1] == "epoch-0001-step-000000"
    with train(killed) as run:
        printed = run.finish()
    assert all("continue after epoch 1 of 2" in text for text in printed)
    assert_same_end(killed, undisturbed, fewest=50)

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
