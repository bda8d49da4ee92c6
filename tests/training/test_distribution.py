"""One process, two logical CPU devices and two worker processes do the same training.

It has ingredients that no other test has together; test_conformance.py cuts a run of them.
"""

import numpy as np
import pytest
from places import SUPPORT
from replica_run import BATCH, STEPS, trained, weights_and_pools
from worker_processes import Workers

from tfcyclegan.errors import UserError
from tfcyclegan.models.cyclegan.objective import DIAGNOSED, PAIR_LOSSES, SSIM_LOSSES, TRACKED
from tfcyclegan.training.distribution.strategies import check_batch_size, make_strategy

TOLERANCE = 1e-9
pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture(scope="module")
def single(float64):
    model, logs = trained("single")
    return *weights_and_pools(model), logs, model


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """What each of two worker processes ends with."""
    directory = tmp_path_factory.mktemp("workers")
    program = str(SUPPORT / "replica_run.py"), str(directory)
    with Workers(program, program) as processes:
        processes.finish()
    return [np.load(directory / f"{index}.npz") for index in range(2)]


def assert_equal(single, weights: list, pools: dict[int, np.ndarray], logs: dict) -> None:
    """One process and several replicas have the same, and replica r of R each R-th image.

    Args:
        pools: Images of both pools, [2, size, ...], by replica.
    """
    for x, y in zip(single[0], weights, strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    for replica, images in pools.items():
        alone = single[1][:, 0, replica : STEPS * BATCH : BATCH]
        np.testing.assert_allclose(images[:, :STEPS], alone, atol=TOLERANCE)
        assert not images[:, STEPS:].any() and images[:, :STEPS].any(axis=(2, 3, 4)).all()
    further = {"r1_a_loss", "r1_b_loss", *PAIR_LOSSES, *SSIM_LOSSES}
    assert single[2].keys() == {*TRACKED, *DIAGNOSED, *further}
    for name, values in single[2].items():
        np.testing.assert_allclose(values, logs[name], rtol=TOLERANCE, err_msg=name)


def test_two_replicas_equal_one_in_weights_pools_and_logs(single):
    double, logs = trained("mirrored")
    assert logs.keys() == single[2].keys()
    assert double.distribute_strategy.num_replicas_in_sync == BATCH == 2
    weights, pools = weights_and_pools(double)
    assert_equal(single, weights, {0: pools[:, 0], 1: pools[:, 1]}, logs)


@pytest.mark.parametrize("index", [0, 1])
def test_two_workers_equal_one_process_in_weights_pools_and_logs(single, workers, index):
    made = workers[index]
    weights = [made[f"arr_{i}"] for i in range(len(single[0]))]
    assert_equal(single, weights, {index: made["pools"][:, 0]}, made)


def test_generators_keep_air(single):
    image = np.full((1, 32, 32, 1), -1.0)
    image[:, 12:20, 12:20] = np.random.default_rng(0).uniform(0, 1, (8, 8, 1))
    for generator in (single[3].generator_ab, single[3].generator_ba):
        changed = generator(image).numpy() != image
        assert changed[0, 12:20, 12:20].all() and not changed[0, :9].any()


def test_a_batch_that_does_not_divide_among_replicas_is_refused():
    with pytest.raises(UserError, match="--batch_size must be a multiple of the 2 replicas.*: 3"):
        check_batch_size(make_strategy("mirrored"), 3)


def test_unknown_strategy_is_named():
    with pytest.raises(
        UserError, match="--strategy: expected auto, single, mirrored or multi_worker"
    ):
        make_strategy("tpu")
