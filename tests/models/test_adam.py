"""One operation per variable does what Keras' Adam does in many."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.step.optimizers import Adam, ConstantThenLinear
from tfcyclegan.training.distribution.replica_state import local_values

SETTINGS = {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}


def descended(optimizer: keras.Optimizer, steps: int = 5) -> list[np.ndarray]:
    """The state of an optimizer and of two variables after steps on gradients of all sizes."""
    rng = np.random.default_rng(0)
    shapes = (4,), (2, 3)
    variables = [keras.Variable(rng.normal(size=shape), dtype="float32") for shape in shapes]
    optimizer.build(variables)

    @tf.function
    def step(*gradients):
        optimizer.apply(list(gradients), variables)

    for i in range(steps):
        step(*(tf.constant(rng.normal(size=x, scale=10.0**-i), tf.float32) for x in shapes))
    return [v.numpy() for v in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("kind", ["constant", "schedule", "loss scale"])
def test_it_equals_keras(kind):
    rate = ConstantThenLinear(0.1, 2, 5) if kind == "schedule" else 0.1
    made, wanted = Adam(rate, **SETTINGS), keras.optimizers.Adam(rate, **SETTINGS)
    if kind == "loss scale":
        made, wanted = (keras.optimizers.LossScaleOptimizer(adam) for adam in (made, wanted))
    for x, y in zip(descended(made), descended(wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7)


def test_the_first_step_is_the_rate_in_the_gradients_direction():
    weight, adam = keras.Variable([1.0, 1.0]), Adam(0.25, beta_1=0.5, epsilon=1e-12)
    adam.build([weight])
    adam.apply([tf.constant([3.0, -0.1])], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.75, 1.25], rtol=1e-6)


def operations(adam: keras.optimizers.Adam) -> list[str]:
    """Kinds of the operations of an update of three variables."""
    variables = [keras.Variable(tf.ones([2])) for _ in range(3)]
    adam.build(variables)
    step = tf.function(lambda: adam.apply([tf.ones([2])] * 3, variables)).get_concrete_function()
    return [op.type for op in step.graph.get_operations()]


def test_it_is_one_operation_per_variable():
    types = operations(Adam(0.1))
    assert types.count("ResourceApplyAdam") == 3 and "Sqrt" not in types


def test_keras_adam_still_takes_several_operations_a_variable():
    """When this fails, `optimizers.Adam.update_step` can go."""
    assert operations(keras.optimizers.Adam(0.1)).count("ResourceApplyAdam") < 3


def test_keras_adam_still_adds_gradients_by_itself():
    """When this fails, see how Keras leaves it out, and whether our override can go."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        weights = [keras.Variable(0.0), keras.Variable(0.0)]
        adams = [kind(1.0, beta_1=0.5) for kind in (keras.optimizers.Adam, Adam)]
        for adam, weight in zip(adams, weights, strict=True):
            adam.build([weight])

    def step():
        for adam, weight in zip(adams, weights, strict=True):
            adam.apply([tf.constant(2.0)], [weight])

    tf.function(lambda: strategy.run(step))()
    moments = [float(local_values(adam.variables[2])[0]) for adam in adams]
    assert moments == [0.5 * (2.0 + 2.0), 0.5 * 2.0]
