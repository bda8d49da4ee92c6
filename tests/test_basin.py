"""Wrong basins: told by correlations whose sign is known, and a forced one is left for good."""

import json
import math
import signal
import subprocess

import numpy as np
import pytest
from conftest import TINY_RUN, command
from test_inversion import COLUMNS, HEAD, ROWS, SIZE, heads
from test_resume import assert_same_end, wait_for

from tfcyclegan.basin import basin_of, correlations, regions

FORCED = """
from tfcyclegan import restarts, train
from tfcyclegan.config import TrainConfig, run

made = restarts.build_model

def inverted(network):
    # Through the network, so that there are gradients, if of size 0.
    return lambda images, **options: 0.0 * network(images, **options) - images

def inverting(config, steps):
    model = made(config, steps)
    if config.seed == 0:
        for generator in (model.generator_ab, model.generator_ba):
            generator.call = inverted(generator.call)
    return model

restarts.build_model = inverting
run(train.main, TrainConfig)
"""
"""Training whose generators invert at the first seed, whatever they learn."""


UNKNOWN = {"inside": math.nan, "rim": math.nan}


@pytest.mark.parametrize(
    ("inside", "rim", "expected"),
    [
        (0.95, 0.97, "identity"),
        (0.46, 0.9, "identity"),  # the middle between a copy and -0.1 is 0.45
        (0.44, 0.9, ""),
        (-0.1, 0.6, ""),
        (-0.9, -0.95, "inversion"),
        (0.95, -0.11, "inversion"),
        (-0.9, -0.09, ""),
        (math.nan, math.nan, ""),
    ],
)
def test_the_basin_follows_from_the_correlations(inside, rim, expected):
    made = {"inside": inside, "rim": rim}
    assert basin_of(made, {"inside": -0.1, "rim": 0.6}) == expected
    assert basin_of(made, UNKNOWN) == ("" if expected == "identity" else expected)


def test_domains_whose_rims_are_inverted_are_no_inversion():
    assert basin_of({"inside": 0.0, "rim": -0.5}, {"inside": 0.0, "rim": -0.6}) == ""


def test_inside_and_rim_are_the_head_and_one_does_not_see_the_other():
    images = heads(0.9, 2)[..., np.newaxis].astype(np.float32)
    found = regions(images)
    # 0.06 x 32 is 2 pixels of a head of 12; the corners of a step are not on the diagonal.
    depth = 12 - np.hypot(ROWS, COLUMNS)
    for inside, rim in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(inside | rim, HEAD)
        assert not (inside & rim).any()
        assert inside[depth > 3.5].all() and rim[(depth > 0) & (depth < 1.4)].all()
    inverted = np.where(found["rim"][..., np.newaxis], 1 - images, images)
    made = correlations(images, inverted)
    assert made["inside"] == pytest.approx(1, abs=1e-5)
    assert made["rim"] == pytest.approx(-1, abs=1e-5)
    assert images.shape[1] == SIZE


def forced(data_dir, workdir, *flags: str) -> list[str]:
    words = (*TINY_RUN, f"--data_dir={data_dir}", f"--workdir={workdir}", *flags)
    # Others begin in a basin, and 2 steps do not lead out of it.
    words = (*words, "--generator=resnet", "--initializer=he_normal")
    return command("-c", FORCED, *words, "--checkpoint_minutes=0.00001")


def test_a_run_that_inverts_begins_again_and_a_kill_changes_nothing(dataset, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result = subprocess.run(
        forced(dataset, whole, "--wrong_basin=restart"), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    # A tenth of 24 steps is 2.
    assert "after 2 steps the run is in the basin of inversion" in result.stderr
    assert "restart 1 of 3, with seed 1" in result.stderr
    (restart,) = json.loads((whole / "run.json").read_text())["restarts"]
    assert (restart["basin"], restart["step"], restart["seed"]) == ("inversion", 2, 0)
    assert restart["correlation"]["a_to_b_rim"] == pytest.approx(-1, abs=1e-3)
    rows = [json.loads(row) for row in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["restarts"]) for row in rows] == [(n, 1) for n in (1, 2, 3, 4)]

    line = forced(dataset, killed, "--wrong_basin=restart")
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    state = killed / "run.json"
    assert wait_for(process, lambda: state.is_file() and "restarts" in state.read_text())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = subprocess.run(line, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "restart 1 of 3" not in again.stderr
    assert_same_end(killed, whole)
