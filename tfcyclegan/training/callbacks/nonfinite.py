"""Reports steps that were not finite, and ends a fit that has too many of them."""

import sys

import keras

from tfcyclegan.models.step.nonfinite import Diverged
from tfcyclegan.training.distribution.replica_state import count
from tfcyclegan.training.rundir.checkpoint_files import Position, position


class NonFinite(keras.callbacks.Callback):
    """Reports the steps that the model skipped, and ends the fit after too many in a row.

    Adds `skipped_steps`, those of the whole run so far, to `logs`.

    Args:
        start: Position of the run at which this fit begins.
        limit: Skipped steps in a row that end the fit with `Diverged`.
    """

    def __init__(self, start: Position, limit: int):
        super().__init__()
        self._start, self._limit = start, limit
        self._reported = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if self._reported is None:
            self._reported = count(self.model.guard.skipped)

    def on_train_batch_end(self, batch, logs=None):
        if count(self.model.guard.in_a_row) >= self._limit:
            where = position(self._start, self._epoch, batch)
            raise Diverged(where.epoch, where.step)

    def on_epoch_end(self, epoch, logs=None):
        logs["skipped_steps"] = skipped = count(self.model.guard.skipped)
        if skipped > self._reported:
            print(
                f"warning: {skipped - self._reported} steps were skipped up to the end of epoch"
                f" {epoch + 1}, because a loss or gradient was not finite",
                file=sys.stderr,
            )
        self._reported = skipped
