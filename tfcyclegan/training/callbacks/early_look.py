"""One look at a run, early enough to begin again."""

import keras

from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.training.rundir.checkpoint_files import Position, position

DECIDED_AT = 0.1
"""Share of a run's steps after which it is looked at."""
SLICES = 8
"""Slices of each domain that it is judged by."""


class EarlyLook(keras.callbacks.Callback):
    """Calls `look` once, after `DECIDED_AT` of a run's steps.

    The step is a function of the run's length and the slices are fixed, so a run that was killed
    and goes on is looked at alike.

    Args:
        slices: Validation slices.
        start: Position of the run at which this fit begins.
        steps: Steps per epoch.
        epochs: Epochs of the run.
    """

    def __init__(self, slices: ValidationSlices, start: Position, *, steps: int, epochs: int):
        super().__init__()
        self._slices, shown = slices, slices.shown(SLICES)
        self._images, self._pairs = {"a": shown.a.unit(), "b": shown.b.unit()}, shown.pairs
        self._start, self._steps = start, steps
        self._due = max(1, int(DECIDED_AT * steps * epochs))

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        where = position(self._start, self._epoch, batch)
        step = where.epoch * self._steps + where.step
        if step == self._due:
            self.look(step)

    def look(self, step: int) -> None:
        """Looks at the model after so many steps of the run."""
        raise NotImplementedError
