"""What happens between epochs: validation, TensorBoard, history.

Order matters: `Validation` adds its keys to the one `logs` dict that Keras hands from callback to
callback, so it stands before those that read it.
"""

import csv
import io
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan import scoring
from tfcyclegan.extractors import Extractor, frechet_name
from tfcyclegan.files import write_atomically
from tfcyclegan.pairing import Pairs

BORDER = 2
"""White pixels between the pictures of a grid."""


class Validation(keras.callbacks.Callback):
    """Scores both directions on fixed validation pairs and adds the scores to `logs`.

    Keys: `val_psnr_volume_*`, `val_ssim_*` and `val_<distance>_*` with * = a_to_b, b_to_a. In
    epochs without validation the keys are absent, never stale.

    Args:
        pairs: Validation pairs.
        translators: Translator of each direction.
        extractor: Feature extractor of the Frechet distance.
        every: Epochs between validations.
    """

    def __init__(self, pairs: Pairs, translators: dict, extractor: Extractor, every: int):
        super().__init__()
        self._translators = translators
        self._directions = scoring.directions_of(pairs)
        self._extractor = extractor
        self._every = every
        self._real = {d.name: scoring.features(extractor, d.target) for d in self._directions}

    @staticmethod
    def keys(extractor: Extractor) -> list[str]:
        """Returns the keys that this callback adds."""
        names = ("psnr_volume", "ssim", frechet_name(extractor))
        return [f"val_{name}_{d}" for d in scoring.DIRECTIONS for name in names]

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self._every:
            return
        for direction in self._directions:
            fake = scoring.translate(self._translators[direction.name], direction.source)
            psnr = scoring.volume_psnr_of_patients(direction, fake)
            fake_features = scoring.features(self._extractor, fake)
            distance = scoring.distance(self._real[direction.name], fake_features)
            logs[f"val_psnr_volume_{direction.name}"] = float(np.mean(list(psnr.values())))
            logs[f"val_ssim_{direction.name}"] = float(
                np.mean(scoring.paired_scores(direction, fake)["ssim"])
            )
            logs[f"val_{frechet_name(self._extractor)}_{direction.name}"] = distance


class Summaries(keras.callbacks.Callback):
    """Writes TensorBoard events: losses under train/, scores and pictures under val/.

    The pictures are like the paper's figure 8, and lie as PNG under samples/ too: one row per
    slice, source, fake, cycled and real target.

    Args:
        workdir: Directory of the run.
        pairs: The pairs that are shown.
        translators: Translator of each direction.
        text: Shown under "flags", the run's flagfile.
        every: Epochs between pictures.
        histograms: Also write a histogram of every trained variable, under train/.
    """

    def __init__(
        self,
        workdir: str,
        pairs: Pairs,
        translators: dict,
        text: str,
        every: int,
        histograms: bool = False,
    ):
        super().__init__()
        self._translators = translators
        self._workdir = pathlib.Path(workdir)
        self._pairs, self._text, self._every = pairs, text, every
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
                        tf.summary.scalar(name.removeprefix("val_"), value)
        if (epoch + 1) % self._every == 0:
            self._show(epoch + 1)
        if self._histograms:
            with self._train.as_default(step=epoch + 1):
                for variable in self.model.trainable_variables:
                    tf.summary.histogram(variable.path, variable)
        self._train.flush()
        self._val.flush()

    def _show(self, epoch: int) -> None:
        a, b = self._pairs.a.unit(), self._pairs.b.unit()
        to_b, to_a = (self._translators[name] for name in scoring.DIRECTIONS)
        fake_b, fake_a = scoring.translate(to_b, a), scoring.translate(to_a, b)
        grids = {
            "a_to_b": (a, fake_b, scoring.translate(to_a, fake_b), b),
            "b_to_a": (b, fake_a, scoring.translate(to_b, fake_a), a),
        }
        with self._val.as_default(step=epoch):
            for name, columns in grids.items():
                picture = grid(columns)
                tf.summary.image(f"{name} source fake cycled real", picture[np.newaxis])
                png = tf.io.encode_png(tf.cast(np.rint(picture * 255), tf.uint8))
                path = self._workdir / "samples" / f"epoch_{epoch:04d}_{name}.png"
                path.write_bytes(png.numpy())


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
    """Adds the share of each image pool that is filled, on the first replica, to `logs`."""

    def on_epoch_end(self, epoch, logs=None):
        pool = self.model.pool_a  # the other is as full
        logs["pool_fill"] = min(1.0, int(pool.seen) / pool.size) if pool.size else 0.0
