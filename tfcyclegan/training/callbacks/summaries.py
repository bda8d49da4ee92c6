"""TensorBoard events: losses, scores and pictures."""

import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan import files
from tfcyclegan.data import batches
from tfcyclegan.data.contact_sheet import grid
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.models import translators
from tfcyclegan.models.translators import DIRECTIONS, OPPOSITE

SHOWN_SAMPLES = 8
"""Samples of a model without a source, the same at every epoch."""
SHOWN_PAIRS = 4


class Summaries(keras.callbacks.Callback):
    """Writes TensorBoard events: losses under train/, scores and pictures under val/.

    The pictures are like the paper's figure 8, and lie as PNG under samples/ too: one row per
    slice, source, fake, cycled where the model has a way back, and the real target where the slices
    are pairs.

    Args:
        workdir: Directory of the run.
        slices: Those of validation, of which `SHOWN_PAIRS` are shown.
        translators: Translator of each direction.
        text: Shown under "flags", the run's flagfile.
        due: Tells whether epoch 0, 1, ... gets pictures.
    """

    def __init__(
        self,
        workdir: str,
        slices: ValidationSlices,
        translators: dict,
        text: str,
        due: Callable[[int], bool],
    ):
        super().__init__()
        self._translators = translators
        self._workdir = pathlib.Path(workdir)
        self._slices, self._text, self._due = slices, text, due
        self._shown = slices.shown(SHOWN_PAIRS)

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
        self._train.flush()
        self._val.flush()

    def _show(self, epoch: int) -> None:
        self.model.settle()
        with self._val.as_default(step=epoch):
            for domain, sampler in self.model.samplers.items():
                count = max(SHOWN_SAMPLES, len(self._shown.a))
                given = self.model.sampled_from(self._slices, count)
                images = translators.sampled(sampler, given).numpy()
                self._write(epoch, f"samples_{domain}", {"samples": images[::2], "": images[1::2]})
        domains = {"a": self._shown.a.unit(), "b": self._shown.b.unit()}
        with self._val.as_default(step=epoch):
            for name, translator in self._translators.items():
                columns = {"source": domains[name[0]]}
                columns["fake"] = batches.in_batches(translator, columns["source"])
                if self.model.cycled:
                    back = self._translators[OPPOSITE[name]]
                    columns["cycled"] = batches.in_batches(back, columns["fake"])
                if self._shown.pairs:
                    columns["real"] = domains[name[-1]]
                self._write(epoch, name, columns)

    def _write(self, epoch: int, name: str, columns: dict[str, np.ndarray]) -> None:
        """Writes a picture of columns into TensorBoard, and as a file."""
        picture = grid(tuple(columns.values()))
        described = "Columns: " + ", ".join(filter(None, columns))
        tf.summary.image(f"images/{name}", picture[np.newaxis], description=described)
        png = tf.io.encode_png(tf.cast(np.rint(picture * 255), tf.uint8))
        path = self._workdir / "samples" / f"epoch_{epoch:04d}_{name}.png"
        files.write(path, png.numpy(), flag=None)


def tag(name: str) -> str:
    """Returns the TensorBoard tag of a name in `logs`: what belongs together is one group."""
    name = name.removeprefix("val_")
    for direction in DIRECTIONS:
        if name.endswith(direction):
            return f"{name.removesuffix('_' + direction)}/{direction}"
    for group in ("accuracy", "gradient_norm", "loss"):
        if group in name:
            return f"{group}/{name.replace('_' + group, '')}"
    return f"run/{name}"
