"""Accuracy of discriminators and norms of gradients, against numbers written out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan import diagnostics
from tfcyclegan.losses import ADVERSARIAL
from tfcyclegan.strategies import make_strategy

SCORES = tf.reshape(tf.constant([-2.0, 0.0, 0.2, 0.7, 3.0, 3.0, 3.0, 3.0]), [2, 2, 2, 1])


@pytest.mark.parametrize(
    ("kind", "real", "expected"),
    [
        ("vanilla", True, [0.5, 1.0]),
        ("vanilla", False, [0.5, 0.0]),
        ("lsgan", True, [0.25, 1.0]),
        ("lsgan", False, [0.75, 0.0]),
    ],
)
def test_share_judged_right_is_per_example(kind, real, expected):
    made = diagnostics.share_judged_right(SCORES, real=real, kind=kind)
    np.testing.assert_array_equal(made, np.float32(expected))


def test_every_adversarial_loss_has_its_decision():
    assert set(diagnostics.DECISION) == set(ADVERSARIAL)


def test_the_norm_is_euclidean_and_without_the_loss_scale():
    gradients = [tf.constant([3.0, 0.0]), tf.constant([[4.0], [12.0]])]
    plain = keras.optimizers.SGD()
    assert float(diagnostics.gradient_norm(gradients, plain)) == pytest.approx(13.0)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=2.0)
    scaled.build([keras.Variable(0.0)])
    assert float(diagnostics.gradient_norm(gradients, scaled)) == pytest.approx(6.5)


def test_the_norm_on_two_replicas_is_that_of_their_sum():
    strategy, optimizer = make_strategy("mirrored"), keras.optimizers.SGD()

    @tf.function
    def norms():
        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            parts = tf.constant([[3.0, 1.0], [0.0, 3.0]])  # sum (3, 4)
            return diagnostics.gradient_norm([parts[number]], optimizer)

        return strategy.run(replica)

    made = strategy.experimental_local_results(norms())
    np.testing.assert_allclose(made, [5.0, 5.0])
