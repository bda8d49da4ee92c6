"""One and two replicas do the same training, on two logical CPU devices."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_cyclegan import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models import build_model
from tfcyclegan.strategies import check_batch_size, make_strategy

STEPS = 20
TOLERANCE = 1e-9
"""In float64, where rounding is not amplified to the size of an Adam step within 20 steps."""


@pytest.fixture
def float64():
    """Collective operations of one process keep the type that they were first traced with."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def trained(kind: str, pool: int = 0):
    flags = (f"--pool_size={pool}", "--identity_weight=0.5", "--ema_decay=0.9")
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (8, 32, 32, 1)).astype(keras.config.floatx()) for _ in range(2)]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(images))
    dataset = dataset.batch(2, drop_remainder=True).repeat()
    with make_strategy(kind).scope():
        model = build_model(TrainConfig.parse(*TINY, *flags), steps_per_epoch=STEPS)
    history = model.fit(dataset, epochs=1, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    return model, history.history


def test_two_replicas_equal_one_in_weights_and_logs(float64):
    single, single_logs = trained("single")
    double, double_logs = trained("mirrored")
    assert double.distribute_strategy.num_replicas_in_sync == 2
    for x, y in zip(single.get_weights(), double.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    for name, values in single_logs.items():
        np.testing.assert_allclose(values, double_logs[name], rtol=TOLERANCE, err_msg=name)


def test_each_replica_keeps_a_pool_of_its_own(float64):
    model, _ = trained("mirrored", pool=3)
    pools = [np.asarray(v) for v in model.pool_a.images.value.values]
    assert len(pools) == 2 and np.abs(pools[0] - pools[1]).max() > 0.01
    seen = [int(v) for v in model.pool_a.seen.value.values]
    assert seen == [STEPS, STEPS]


def test_a_batch_that_does_not_divide_among_replicas_is_refused():
    with pytest.raises(UserError, match="--batch_size must be a multiple of the 2 replicas.*: 3"):
        check_batch_size(make_strategy("mirrored"), 3)


def test_unknown_strategy_is_named():
    with pytest.raises(UserError, match="--strategy: expected auto, single or mirrored"):
        make_strategy("tpu")
