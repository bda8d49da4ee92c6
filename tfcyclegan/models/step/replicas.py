"""What a train step needs to know of replicas in several processes."""

from collections.abc import Callable

import tensorflow as tf


def on_workers(strategy: tf.distribute.Strategy) -> bool:
    """Tells whether replicas are in several processes, of which this is one."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


class FitsOnWorkers:
    """Lets `fit` of a Keras model work under MultiWorkerMirroredStrategy.

    Keras 3 does not support it (https://github.com/keras-team/keras/issues/20585). With Keras 3.15
    and TensorFlow 2.21, `fit` fails twice: `_maybe_symbolic_build` reduces a batch that is on one
    replica only, and `reduce_per_replica` asks for a mean over the first axis of what is a scalar.
    So a model whose variables are all there when it is constructed builds nothing, and steps with a
    function that reduces each result over the replicas itself. Without workers, Keras' own methods
    are called. tests/training/test_multi_worker.py fails as soon as Keras does without this class.

    To be inherited before keras.Model.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if not on_workers(self.distribute_strategy):
            super()._maybe_symbolic_build(iterator, data_batch)

    def make_train_function(self, force=False):
        strategy = self.distribute_strategy
        if not on_workers(strategy):
            super().make_train_function(force)
        elif self.train_function is None or force:

            @tf.function(autograph=False, reduce_retracing=True)
            def step(iterator):
                results = strategy.run(self.train_step, args=(next(iterator),))
                return {name: strategy.reduce("MEAN", v, axis=None) for name, v in results.items()}

            self.train_function = step


def update_if(condition: tf.Tensor, update: Callable, args: tuple) -> None:
    """Calls `update(*args)` on every replica where `condition` holds; call it in a replica context.

    Args:
        condition: Bool scalar, equal on all replicas.
        update: Changes variables; every tensor that it uses comes in `args`.
        args: Its arguments, nested as you like.
    """

    def change(*arguments) -> tf.Tensor:
        update(*arguments)
        return tf.constant(0)

    def nothing() -> tf.Tensor:
        return tf.constant(0)

    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(condition, lambda: change(*args), nothing)
        return

    def on_each_replica(strategy, conditions, arguments):
        # Optimizers merge the replicas, which may not happen in a branch that one replica takes:
        # the branch is taken for all of them, outside.
        def change_all() -> tf.Tensor:
            strategy.extended.call_for_each_replica(change, args=arguments)
            return tf.constant(0)

        tf.cond(strategy.experimental_local_results(conditions)[0], change_all, nothing)

    tf.distribute.get_replica_context().merge_call(on_each_replica, args=(condition, args))
