"""What is written between epochs: TensorBoard and history.

Order matters: what adds keys to the one `logs` dict that Keras hands from callback to callback
stands before these, which read it.
"""

import csv
import io
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan import scoring
from tfcyclegan.files import write_atomically
from tfcyclegan.replica_state import count
from tfcyclegan.validation_slices import ValidationSlices

BORDER = 2
"""White pixels between the pictures of a grid."""


class Summaries(keras.callbacks.Callback):
    """Writes TensorBoard events: losses under train/, scores and pictures under val/.

    The pictures are like the paper's figure 8, and lie as PNG under samples/ too: one row per
    slice, source, fake, cycled, and the real target where the slices are pairs.

    Args:
        workdir: Directory of the run.
        shown: The slices that are shown.
        translators: Translator of each direction.
        text: Shown under "flags", the run's flagfile.
        due: Tells whether epoch 0, 1, ... gets pictures.
        histograms: Also write a histogram of every trained variable, under train/.
    """

    def __init__(
        self,
        workdir: str,
        shown: ValidationSlices,
        translators: dict,
        text: str,
        due: Callable[[int], bool],
        histograms: bool = False,
    ):
        super().__init__()
        self._translators = translators
        self._workdir = pathlib.Path(workdir)
        self._shown, self._text, self._due = shown, text, due
        self._histograms = histograms

    def on_train_begin(self, logs=None):
        self._train = tf.summary.create_file_writer(str(self._workdir / "train"))
        self._val = tf.summary.create_file_writer(str(self._workdir / "val"))
        (self._workdir / "samples").mkdir(exist_ok=True)
        with self._train.as_default(step=0):
            tf.summary.text("flags", "```\n" + self._text + "\n```")

    def on_epoch_end(self, epoch, logs=None):
        for writer, wanted in ((self._train, False), (self._val, True)):
            with writer.as_default(step=epoch + 1):
                for name, value in (logs or {}).items():
                    if name.startswith("val_") == wanted:
                        tf.summary.scalar(tag(name), value)
        if self._due(epoch):
            self._show(epoch + 1)
        if self._histograms:
            with self._train.as_default(step=epoch + 1):
                for variable in self.model.trainable_variables:
                    tf.summary.histogram(variable.path, variable)
        self._train.flush()
        self._val.flush()

    def _show(self, epoch: int) -> None:
        a, b = self._shown.a.unit(), self._shown.b.unit()
        to_b, to_a = (self._translators[name] for name in scoring.DIRECTIONS)
        fake_b, fake_a = scoring.translate(to_b, a), scoring.translate(to_a, b)
        columns = ["source", "fake", "cycled", "real"][: 4 if self._shown.pairs else 3]
        grids = {
            "a_to_b": (a, fake_b, scoring.translate(to_a, fake_b), b)[: len(columns)],
            "b_to_a": (b, fake_a, scoring.translate(to_b, fake_a), a)[: len(columns)],
        }
        with self._val.as_default(step=epoch):
            for name, images in grids.items():
                picture = grid(images)
                described = "Columns: " + ", ".join(columns)
                tf.summary.image(f"images/{name}", picture[np.newaxis], description=described)
                png = tf.io.encode_png(tf.cast(np.rint(picture * 255), tf.uint8))
                path = self._workdir / "samples" / f"epoch_{epoch:04d}_{name}.png"
                path.write_bytes(png.numpy())


def tag(name: str) -> str:
    """Returns the TensorBoard tag of a name in `logs`: what belongs together is one group."""
    name = name.removeprefix("val_")
    for direction in scoring.DIRECTIONS:
        if name.endswith(direction):
            return f"{name.removesuffix('_' + direction)}/{direction}"
    for group in ("accuracy", "gradient_norm", "loss"):
        if group in name:
            return f"{group}/{name.replace('_' + group, '')}"
    return f"run/{name}"


def grid(columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """Lays images out with one column per kind and one row per slice.

    Args:
        columns: Each float32 [N, H, W, 1], unit range.

    Returns:
        float32 [N * (H + BORDER), len(columns) * (W + BORDER), 1].
    """
    pad = [(0, 0), (0, BORDER), (0, BORDER), (0, 0)]
    framed = [np.pad(images, pad, constant_values=1.0) for images in columns]
    return np.concatenate([np.concatenate(list(images), axis=0) for images in framed], axis=1)


class History(keras.callbacks.Callback):
    """Keeps history.csv, one row per epoch with the same columns in each.

    A run that continues drops the rows after its checkpoint. The file holds nothing that depends
    on the clock, so two runs with one seed write the same bytes.

    Args:
        path: The file.
        columns: Names from `logs`, after the epoch.
        finished: Epochs that the checkpoint has finished.
    """

    def __init__(self, path: pathlib.Path, columns: list[str], finished: int):
        super().__init__()
        self._path = path
        self._columns = ["epoch", *columns]
        self._rows = self._read(finished)

    def _read(self, finished: int) -> list[dict]:
        if not self._path.is_file():
            return []
        with self._path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if int(row["epoch"]) <= finished]

    def on_epoch_end(self, epoch, logs=None):
        values = {name: f"{value:.9g}" for name, value in (logs or {}).items()}
        row = {name: values.get(name, "") for name in self._columns}
        self._rows.append({**row, "epoch": epoch + 1})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self._path, text.getvalue())


class LearningRate(keras.callbacks.Callback):
    """Adds the generators' learning rate after the epoch to `logs`."""

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class PoolFill(keras.callbacks.Callback):
    """Adds the share of an image pool that is filled to `logs`, 0.0 where there are no pools.

    Every replica has a pool for each domain. They get equal shares of every batch, so all of them
    are as full as the first.
    """

    def on_epoch_end(self, epoch, logs=None):
        pool = self.model.pool_a
        logs["pool_fill"] = min(1.0, count(pool.seen) / pool.size) if pool.size else 0.0
