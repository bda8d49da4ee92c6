"""Parts equal the whole, replicas clip as one, and what Keras' optimizers do instead."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from replica_run import weights_and_pools
from tiny_models import TINY

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.build import build_model
from tfcyclegan.models.step.gradients import over_parts, summed
from tfcyclegan.models.step.optimizers import Adam
from tfcyclegan.training.distribution.replica_state import local_values
from tfcyclegan.training.distribution.strategies import check_batch_size, make_strategy

TOLERANCE = 1e-6


def test_parts_are_put_together_to_the_values_and_the_gradient_of_the_batch():
    weight = tf.Variable([2.0, -1.0])

    def compute(x, y):
        with tf.GradientTape() as tape:
            error = tf.square(tf.linalg.matvec(x, weight) - y)
            total = tf.reduce_mean(error)
        return {"error": error, "y": y}, [tape.gradient(total, weight)]

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 2)).astype("float32"), rng.normal(size=6).astype("float32")
    residual = x @ [2.0, -1.0] - y
    for parts in (1, 3, 6):
        settings = {"parts": parts, "variables": [weight], "names": ("error", "y")}
        run = tf.function(lambda *batch, s=settings: over_parts(compute, batch, **s))
        for step in (run, lambda *batch, s=settings: over_parts(compute, batch, **s)):
            values, (gradient,) = step(tf.constant(x), tf.constant(y))
            np.testing.assert_allclose(values["error"], residual**2, rtol=1e-5)
            np.testing.assert_array_equal(values["y"], y)
            np.testing.assert_allclose(gradient, 2 * residual @ x / 6, rtol=1e-4)


def test_the_norm_is_that_of_all_gradients_together_without_the_loss_scale():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=2.0)
    scaled.build([keras.Variable(0.0)])
    gradients = [tf.constant([3.0, 0.0]), tf.constant([[4.0], [12.0]])]  # of norm 13
    made, norm = summed(gradients, scaled)
    assert float(norm) == pytest.approx(6.5)
    np.testing.assert_array_equal(made[0], [3.0, 0.0])


def on_two_replicas(optimizer_of, change=lambda gradients: gradients) -> np.ndarray:
    """A weight from 0 after one step, where the replicas' gradients are [3, 0] and [0, 4]."""
    strategy = make_strategy("mirrored")
    with strategy.scope():
        weight, optimizer = keras.Variable(np.zeros(2, "float32")), optimizer_of()
        optimizer.build([weight])

    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        gradient = tf.where(replica == 0, [3.0, 0.0], [0.0, 4.0])
        optimizer.apply(change([gradient]), [weight])

    tf.function(lambda: strategy.run(step))()
    return weight.numpy()


def test_two_replicas_sum_once():
    """Adam's own step is blind to the size of a gradient; its first moment is half of it."""
    held = []

    def optimizer():
        held.append(Adam(1.0, beta_1=0.5))
        return held[0]

    on_two_replicas(optimizer, lambda gradients: summed(gradients, held[0])[0])
    moment = held[0].variables[2]
    assert "momentum" in moment.path
    for made in local_values(moment):
        np.testing.assert_allclose(made, [1.5, 2.0], rtol=TOLERANCE)


def test_keras_still_cannot_accumulate_on_several_replicas():
    """When this fails, see whether its schedules count updates before `over_parts` goes."""
    with pytest.raises(RuntimeError, match="merge_call"):
        on_two_replicas(lambda: keras.optimizers.SGD(1.0, gradient_accumulation_steps=2))


def test_a_batch_that_does_not_divide_into_parts_is_refused():
    check_batch_size(make_strategy("mirrored"), 8, parts=4)
    with pytest.raises(UserError, match="multiple of --accumulate_steps x replicas, 8 here.*: 12"):
        check_batch_size(make_strategy("mirrored"), 12, parts=4)


def trained(kind: str, parts: int, steps: int):
    flags = ("--batch_size=4", f"--accumulate_steps={parts}")
    flags += ("--ema_decay=0.9", "--epochs=2", "--decay_start_epoch=1")
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (8, 32, 32, 1)) for _ in range(2)]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(images))
    dataset = dataset.batch(4, drop_remainder=True).repeat()
    with make_strategy(kind).scope():
        model = build_model(TrainConfig.parse(*TINY, *flags), steps_per_epoch=steps)
    history = model.fit(dataset, epochs=2, steps_per_epoch=steps, shuffle=False, verbose=0)
    return model, history.history


def test_two_replicas_in_two_parts_train_as_one_in_one(float64):
    """Averaged, on the same schedule: an update is an update however it was gathered."""
    whole, whole_logs = trained("single", parts=1, steps=3)
    parts, parts_logs = trained("mirrored", parts=2, steps=3)
    weights = [weights_and_pools(model)[0] for model in (whole, parts)]
    for x, y in zip(*weights, strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    for name, values in whole_logs.items():
        np.testing.assert_allclose(values, parts_logs[name], rtol=TOLERANCE, err_msg=name)
    for optimizer in (parts.optimizer, parts.discriminator_optimizer):
        assert int(optimizer.iterations.numpy()) == 6
        assert float(optimizer.learning_rate) == 0.0, "the schedule ends with the last update"


def test_parts_take_turns_at_the_pool_as_the_whole_batch_does(float64):
    models = []
    for parts in (1, 4):
        flags = ("--batch_size=4", f"--accumulate_steps={parts}", "--pool_size=3")
        model = build_model(TrainConfig.parse(*TINY, *flags), steps_per_epoch=10)
        rng = np.random.default_rng(1)
        for _ in range(2):
            model.train_step(tuple(tf.constant(rng.uniform(-1, 1, (4, 32, 32, 1))) for _ in "ab"))
        models.append(model)
    for x, y in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    assert int(models[1].pool_a.seen.numpy()) == 8
