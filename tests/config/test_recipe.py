"""All ingredients at once: one replica or two, and a checkpoint in the middle, change nothing."""

import numpy as np
import pytest
import tensorflow as tf
from replica_run import weights_and_pools
from tiny_models import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import training_batches
from tfcyclegan.data.slices import Slices
from tfcyclegan.models.build import build_model
from tfcyclegan.training.distribution.replica_state import assign_local_values, local_values
from tfcyclegan.training.distribution.strategies import make_strategy
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints

INGREDIENTS = (
    "--position_channels=both",
    "--r1_weight=1",
    "--keep_air",
)
OF_EACH_REPLICA = ("--discriminator_images=2", "--pool_size=4")
"""Each replica has a pool of its own."""
STEPS = 6
TOLERANCE = 1e-9
pytestmark = pytest.mark.usefixtures("float64")


def built(strategy, *flags: str):
    with strategy.scope():
        return build_model(TrainConfig.parse(*TINY, *INGREDIENTS, *flags), steps_per_epoch=STEPS)


def batches(strategy, first_step: int, images_per_example: int):
    images = np.random.default_rng(0).integers(0, 65536, (2, 8, 32, 32), np.uint16)
    images[:, :, :8] = 0  # air, which generators keep
    places = {"geom/slice_frac": np.linspace(0, 1, 8, dtype=np.float32)}
    return strategy.distribute_datasets_from_function(
        lambda context: training_batches(
            *(Slices(one, places) for one in images),
            batch_size=2,
            first_step=first_step,
            seed=0,
            augmentation=Augmentation(("horizontal",), (30.0,), 0.2),
            positions=True,
            images_per_example=images_per_example,
            context=context,
        ).map(lambda a, b, *places: (*(tf.cast(x, tf.float64) for x in (a, b)), *places))
    )


def trained(model, steps: int, first_step: int = 0) -> dict:
    strategy = model.distribute_strategy
    data = batches(strategy, first_step, model.discriminator_images)
    return model.fit(data, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0).history


@pytest.fixture(scope="module")
def single(float64):
    """A model after all steps, and its logs."""
    model = built(make_strategy("single"))
    return model, trained(model, STEPS)


def test_two_replicas_equal_one_in_weights_and_logs(single):
    double = built(make_strategy("mirrored"))
    logs = trained(double, STEPS)
    assert double.distribute_strategy.num_replicas_in_sync == 2
    weights = [weights_and_pools(model)[0] for model in (single[0], double)]
    for x, y in zip(*weights, strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    assert {"r1_a_loss", "r1_b_loss"} <= logs.keys() == single[1].keys()
    for name, values in single[1].items():
        np.testing.assert_allclose(values, logs[name], rtol=TOLERANCE, err_msg=name)


def test_generators_keep_air(single):
    image = np.full((1, 32, 32, 1), -1.0)
    image[:, 12:20, 12:20] = np.random.default_rng(0).uniform(0, 1, (8, 8, 1))
    for generator in (single[0].generator_ab, single[0].generator_ba):
        changed = generator(image).numpy() != image
        assert changed[0, 12:20, 12:20].all() and not changed[0, :9].any()


@pytest.mark.parametrize("kind", ["single", "mirrored"])
def test_a_run_that_is_cut_ends_with_the_same_bits_on_every_replica(float64, tmp_path, kind):
    model = built(make_strategy(kind), *OF_EACH_REPLICA)
    start = values(model)
    checkpoints = RunCheckpoints(str(tmp_path), model)
    trained(model, STEPS)
    uncut = values(model)
    assign(model, start)
    trained(model, 2)
    checkpoints.save(Position(0, 2))
    assign(model, start)
    assert checkpoints.restore() == Position(0, 2)
    trained(model, STEPS - 2, first_step=2)
    for made, wanted, variable in zip(values(model), uncut, state(model), strict=True):
        np.testing.assert_array_equal(made, wanted, err_msg=variable.path)
    if kind == "mirrored":
        first, second = local_values(model.pool_a.images)
        assert not np.array_equal(first, second)


def values(model) -> list[np.ndarray]:
    return [local_values(variable) for variable in state(model)]


def assign(model, given: list[np.ndarray]) -> None:
    for variable, value in zip(state(model), given, strict=True):
        assign_local_values(variable, value)


def state(model) -> list:
    optimizers = model.optimizer, model.discriminator_optimizer
    moments = [variable for optimizer in optimizers for variable in optimizer.variables]
    return [*model.weights, *moments]
