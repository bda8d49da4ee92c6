"""Saves a run while it trains: by epochs, by the clock, and on a stop request."""

import time

import keras

from tfcyclegan.training.distribution.replica_state import assign_local_values, local_values
from tfcyclegan.training.rundir.checkpoint_files import Position, position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.stop_request import StopRequest


class Checkpoints(keras.callbacks.Callback):
    """Saves at the end of every epoch, inside an epoch by the clock, and on a stop request.

    Args:
        checkpoints: Where to.
        stop: Asked after each step; the run is left as soon as its state is saved.
        start: Position of the run at which this fit begins.
        minutes: Minutes between checkpoints inside an epoch; 0 makes none.
    """

    def __init__(
        self,
        checkpoints: RunCheckpoints,
        stop: StopRequest,
        *,
        start: Position,
        minutes: float,
    ):
        super().__init__()
        self._checkpoints, self._stop, self._start = checkpoints, stop, start
        self._seconds = 60 * minutes
        self._saved = time.monotonic()

    def on_train_begin(self, logs=None):
        variables = [v for metric in self.model.metrics for v in metric.variables]
        self._means = [(v, local_values(v)) for v in variables] if self._start.step else []

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        # Keras has just reset the running means that a checkpoint inside the epoch restored.
        for variable, values in self._means:
            assign_local_values(variable, values)
        self._means = []

    def on_train_batch_end(self, batch, logs=None):
        # After the last step comes the end of the epoch, which is saved with its validation.
        if batch + 1 < self.params["steps"] and (self._stop.received or self._due()):
            self._save(position(self._start, self._epoch, batch))

    def on_epoch_end(self, epoch, logs=None):
        self._save(Position(epoch + 1))

    def _due(self) -> bool:
        return 0 < self._seconds <= time.monotonic() - self._saved

    def _save(self, where: Position) -> None:
        self._checkpoints.save(where)
        self._saved = time.monotonic()
        self._stop.leave(str(where))
