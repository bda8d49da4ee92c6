"""How fast a run goes, and what it says meanwhile: a bar on a terminal, a line after each epoch."""

import shutil
import sys
import time

import keras
from tqdm import tqdm

BAR = "{desc}{percentage:3.0f}% |{bar}| {rate_noinv_fmt}, ETA {remaining}{postfix}"
"""tqdm's own form turns a rate below one image a second around."""


class Pace(keras.callbacks.Callback):
    """Adds `seconds` and `images_per_second` of an epoch's training steps to `logs`.

    An image counts once per step and domain pair: `batch_size` of a and as many of b are
    `batch_size` images. The first step of each epoch is left out of the rate where there are more,
    because the first of a run compiles. Stands before what is slow after an epoch.

    Args:
        batch_size: Global batch size.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self._batch_size = batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self._steps, self._begin = 0, time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self._steps == 1:
            self._first = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        several = self._steps > 1
        steps, since = (self._steps - 1, self._first) if several else (self._steps, self._begin)
        logs["seconds"] = now - self._begin
        logs["images_per_second"] = steps * self._batch_size / (now - since)


class Progress(keras.callbacks.Callback):
    """Prints one line per epoch, and keeps a bar for the rest of the run on a terminal.

    Lines go to standard output, the bar and what the model warns of to standard error, so that a
    log file has the lines only. Stands last, so that its estimate includes validation and saving.

    Args:
        batch_size: Global batch size.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self._batch_size = batch_size
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = time.monotonic()
        if self._bar is None:
            images = self.params["steps"] * self._batch_size * (self.params["epochs"] - epoch)
            self._bar = tqdm(
                total=images,
                unit=" images",
                bar_format=BAR,
                # Asked by tqdm, a terminal that does not tell its size gets no bar.
                ncols=shutil.get_terminal_size().columns,
                nrows=20,
                disable=not sys.stderr.isatty(),
            )
            self._compiling = True
        self._bar.set_description(f"epoch {epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(self._batch_size)
        if self._compiling:
            self._compiling, self._begin = False, time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        left = (self.params["epochs"] - epoch - 1) * (time.monotonic() - self._begin)
        with tqdm.external_write_mode():
            losses = {name: logs[name] for name in self.model.shown if name in logs}
            print(line(epoch + 1, self.params["epochs"], losses, logs, left), flush=True)
            for caution in self.model.cautions(logs):
                print(f"warning: {caution}", file=sys.stderr, flush=True)

    def on_train_end(self, logs=None):
        if self._bar is not None:
            self._bar.close()


def line(epoch: int, epochs: int, losses: dict, logs: dict, left: float) -> str:
    """Returns what is said after an epoch.

    Args:
        epoch: Number of the epoch, from 1.
        epochs: Epochs of the run.
        losses: Those of `logs` that the line begins with.
        logs: Logs of the epoch, with those of `Pace`; its validation scores follow.
        left: Estimated seconds until the run ends.
    """
    scores = {name: value for name, value in logs.items() if name.startswith("val_")}
    numbers = [f"{name} {value:.4g}" for name, value in {**losses, **scores}.items()]
    pace = f"{logs['images_per_second']:.3g} images/s"
    eta = f"ETA {tqdm.format_interval(left)}"
    return f"epoch {epoch}/{epochs}: " + ", ".join([*numbers, pace, eta])
