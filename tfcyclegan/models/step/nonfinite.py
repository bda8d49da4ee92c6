"""What keeps a non-finite loss or gradient away from the weights, and remembers that it came."""

import keras
import tensorflow as tf


class Diverged(Exception):
    """Too many steps in a row were not finite.

    Args:
        epoch: Finished epochs.
        step: Steps of the epoch after them, the last skipped one included.
    """

    def __init__(self, epoch: int, step: int):
        super().__init__(f"epoch {epoch}, step {step}")
        self.epoch, self.step = epoch, step


class NonFiniteGuard(keras.layers.Layer):
    """Decides whether a step may change anything, equally on all replicas, and counts refusals.

    Its state is in variables, so that a checkpoint holds it: `skipped` steps of the run, those of
    them `in_a_row` just now, and `rate_factor`, which the learning rates are multiplied with.
    """

    def __init__(self, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.skipped = self._counter("skipped")
        self.in_a_row = self._counter("in_a_row")
        self.rate_factor = keras.Variable(
            1.0, dtype="float32", trainable=False, autocast=False, name="rate_factor"
        )
        self.built = True

    @staticmethod
    def _counter(name: str) -> keras.Variable:
        """A variable that each replica writes for itself; all write the same."""
        return keras.Variable(
            "zeros",
            shape=(),
            dtype="int64",
            trainable=False,
            synchronization="on_read",
            aggregation="only_first_replica",
            name=name,
        )

    def admit(
        self, losses: list[tf.Tensor], *updates: tuple, before: tf.Tensor | bool = True
    ) -> tf.Tensor:
        """Counts a step and returns whether its last update may change anything, a bool scalar.

        Args:
            losses: Every loss of this replica's share of the batch.
            *updates: (optimizer, norm of the gradient that it is to apply).
            before: Whether the updates before it in the step were good.
        """
        good = tf.logical_and(before, may_change(losses, *updates))
        bad = tf.cast(tf.logical_not(good), tf.int64)
        self.skipped.assign(tf.convert_to_tensor(self.skipped) + bad)
        self.in_a_row.assign((tf.convert_to_tensor(self.in_a_row) + bad) * bad)
        return good


def may_change(losses: list[tf.Tensor], *updates: tuple) -> tf.Tensor:
    """Returns whether losses and gradients are finite on all replicas, a bool scalar.

    Args:
        losses: Every loss of this replica's share of the batch.
        *updates: (optimizer, norm of the gradient that it is to apply).
    """
    good = [all_finite(losses), *(_may_apply(*update) for update in updates)]
    return _on_all_replicas(tf.reduce_all(good))


def all_finite(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Returns a bool scalar: no element of any tensor is NaN or infinite."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors])


def _may_apply(optimizer: keras.Optimizer, norm: tf.Tensor) -> tf.Tensor:
    # A gradient whose squares overflow would stay in Adam's second moment, finite or not.
    finite = tf.math.is_finite(norm)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # It skips by itself and halves its scale, which is how it finds the largest scale that
        # float16 can hold. Below 1 it would only hide gradients that no scale makes finite.
        return tf.logical_or(finite, tf.convert_to_tensor(optimizer.dynamic_scale) > 1)
    return finite


def _on_all_replicas(good: tf.Tensor) -> tf.Tensor:
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return good
    bad = tf.cast(tf.logical_not(good), tf.float32)
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, bad) == 0
