"""The state of a run in the logs: learning rate and image pools."""

import keras

from tfcyclegan.training.distribution.replica_state import count


class LearningRate(keras.callbacks.Callback):
    """Adds the generators' learning rate after the epoch to `logs`."""

    def on_epoch_end(self, epoch, logs=None):
        first = next(iter(self.model.optimizers.values()))
        logs["learning_rate"] = float(first.learning_rate)


class PoolFill(keras.callbacks.Callback):
    """Adds the share of an image pool that is filled to `logs`, 0.0 where there are no pools.

    Every replica has its own pools. They get equal shares of every batch, so all of them are as
    full as the first.
    """

    def on_epoch_end(self, epoch, logs=None):
        filled = (min(1.0, count(p.seen) / p.size) for p in self.model.pools.values() if p.size)
        logs["pool_fill"] = next(filled, 0.0)
