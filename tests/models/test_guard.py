"""A step that is not finite changes nothing, and is counted, on one replica and on two."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, tiny_model

from tfcyclegan.models.step.nonfinite import NonFiniteGuard, all_finite
from tfcyclegan.training.distribution.replica_state import local_values
from tfcyclegan.training.distribution.strategies import make_strategy

NAN, INF = float("nan"), float("inf")


def state(model) -> dict[str, np.ndarray]:
    """Every variable that training changes, but for the guard's own counters."""
    holders = {"model": model, "g": model.optimizer, "d": model.discriminator_optimizer}
    named = [(f"{k}/{i}", v) for k, h in holders.items() for i, v in enumerate(h.variables)]
    named += [(f"mean/{i}", v) for i, v in enumerate(model.replica_variables)]
    counters = {id(model.guard.skipped), id(model.guard.in_a_row)}
    return {name: local_values(v) for name, v in named if id(v) not in counters}


def changed(before: dict, after: dict) -> set[str]:
    # As bytes, so that a NaN is not taken for a change of itself.
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


def counts(model) -> tuple[int, int]:
    return int(model.guard.skipped), int(model.guard.in_a_row)


def spoilt(images: tf.Tensor, value: float, example: int = 0) -> tf.Tensor:
    array = np.array(images)
    array[example, 3, 4, 0] = value
    return tf.constant(array)


def test_one_bad_pixel_changes_no_bit_of_any_variable_and_the_means_stay_true():
    model = tiny_model("--pool_size=3", "--ema_decay=0.9")
    step = tf.function(model.train_step)
    good_a, good_b = batch(seed=1)
    step((good_a, good_b))
    before = state(model)
    assert len(before) > 100
    for skipped, value in enumerate((INF, NAN, -INF), start=1):
        step((spoilt(good_a, value), good_b))
        assert changed(before, state(model)) == set()
        assert counts(model) == (skipped, skipped)
    logs = step((good_a, spoilt(good_b, INF, example=1)))
    assert changed(before, state(model)) == set() and counts(model) == (4, 4)
    assert all(np.isfinite(float(value)) for value in logs.values())
    step((good_a, good_b))
    assert counts(model) == (4, 0)
    assert int(model.optimizer.iterations) == int(model.discriminator_optimizer.iterations) == 2
    assert float(model.trackers["loss"].count) == 4  # two good batches of two
    moved = changed(before, state(model))
    assert {name for name in before if name.startswith(("model/", "g/", "d/"))} - moved <= {
        name for name, value in before.items() if value.size <= 1
    }


def test_a_bad_share_of_one_replica_stops_the_update_of_both():
    good = np.stack([np.asarray(x) for x in batch(seed=2)])
    bad = good.copy()
    bad[1, 1, 0, 0, 0] = INF  # domain b, second example: the second replica's
    with make_strategy("mirrored").scope():
        model = tiny_model("--pool_size=3", "--ema_decay=0.9")
    assert model.distribute_strategy.num_replicas_in_sync == 2

    def fit(images):
        dataset = tf.data.Dataset.from_tensors(tuple(images))
        model.fit(dataset, epochs=1, steps_per_epoch=1, shuffle=False, verbose=0)

    fit(good)
    before = state(model)
    fit(bad)
    after = state(model)
    assert {name for name in changed(before, after) if not name.startswith("mean/")} == set()
    assert local_values(model.guard.in_a_row).tolist() == [1, 1]
    assert local_values(model.pool_a.seen).tolist() == [1, 1]
    fit(good)
    assert local_values(model.guard.in_a_row).tolist() == [0, 0]
    assert local_values(model.pool_a.seen).tolist() == [2, 2]
    assert local_values(model.optimizer.iterations).tolist() == [2, 2]


@pytest.mark.parametrize("value", [INF, -INF, NAN])
def test_a_non_finite_gradient_is_refused_though_the_losses_are_finite(value):
    guard, adam = NonFiniteGuard(), keras.optimizers.Adam()
    fine = tf.constant(2.0)
    assert bool(guard.admit([tf.ones([2])], (adam, fine), (adam, fine)))
    bad = tf.linalg.global_norm([tf.ones([2]), tf.fill([3, 3], value)])
    assert not bool(guard.admit([tf.ones([2])], (adam, fine), (adam, bad)))
    assert not bool(guard.admit([tf.constant([1.0, value])], (adam, fine)))
    assert (int(guard.skipped), int(guard.in_a_row)) == (2, 2)
    assert bool(all_finite([tf.constant([3e38])]))


def test_the_loss_scale_that_is_too_large_is_no_error_until_it_is_no_scale():
    guard = NonFiniteGuard()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=4.0)
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    overflow = [tf.constant([INF])]
    for scale in (4.0, 2.0):
        assert float(optimizer.dynamic_scale) == scale
        assert bool(guard.admit([tf.ones([1])], (optimizer, tf.constant(INF))))
        optimizer.apply(overflow, [weight])  # skips, and halves its scale
    assert float(optimizer.dynamic_scale) == 1 and float(weight[0]) == 1
    assert not bool(guard.admit([tf.ones([1])], (optimizer, tf.constant(INF))))
    assert not bool(guard.admit([tf.constant([NAN])], (optimizer, tf.constant(1.0))))
    assert int(guard.skipped) == 2
