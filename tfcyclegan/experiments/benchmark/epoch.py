"""What an epoch takes beside its steps: callbacks, validation, pictures, checkpoint.

The run is that of `tfcyclegan.train` with its default flags; images are random.
"""

import tempfile
import time

import keras
import numpy as np

from tfcyclegan.config import BenchmarkConfig
from tfcyclegan.data import slices
from tfcyclegan.data.training_slices import TrainingSlices
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.experiments.benchmark import step
from tfcyclegan.training import fit
from tfcyclegan.training.callbacks import order
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.stop_request import StopRequest


class Times(keras.callbacks.Callback):
    """Notes when the first, or the last, callback of a run is called."""

    def __init__(self):
        super().__init__()
        self.begins, self.ends, self.epoch_ends = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begins.append(time.perf_counter())

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        self.epoch_ends.append(time.perf_counter())


def measure(settings: BenchmarkConfig) -> dict:
    """Times the second of two epochs, between the callbacks and in them.

    `share_beside_steps` is for an epoch of `--epoch_steps`, because validation, pictures and
    checkpoint take as long after a short epoch as after a long one.
    """
    steps = max(2, settings.steps)
    with tempfile.TemporaryDirectory() as workdir:
        first, last = _fitted(settings, workdir, steps)
    seconds = np.subtract(first.ends, last.begins)[steps:]
    # From the end of one step to the begin of the next, in one epoch.
    between = np.subtract(last.begins[steps + 1 :], first.ends[steps:-1])
    per_step, per_epoch = between.mean(), last.epoch_ends[-1] - first.ends[-1]
    beside = settings.epoch_steps * per_step + per_epoch
    total = settings.epoch_steps * seconds.mean() + beside
    return {
        "size": settings.size,
        "filters": settings.filters,
        "epoch_steps": settings.epoch_steps,
        "seconds_per_step": round(float(seconds.mean()), 4),
        "seconds_between_steps": round(float(per_step), 5),
        "seconds_after_epoch": round(float(per_epoch), 2),
        "share_beside_steps": round(float(beside / total), 4),
    }


def _fitted(settings: BenchmarkConfig, workdir: str, steps: int) -> tuple[Times, Times]:
    """Returns what a callback before all others, and one after them, noted in two epochs."""
    flags = (f"--workdir={workdir}", "--epochs=2", "--decay_start_epoch=1")
    config = step.run_config(settings, *flags, f"--steps_per_epoch={steps}")
    model = step.built(settings)
    train = [_slices(settings.size, config.validation_pairs, seed) for seed in range(4)]
    validated = ValidationSlices(*train[2:], config.validation_pairs)
    start, stop = Position(), StopRequest()
    checkpoints = RunCheckpoints(workdir, model, fit.KEPT_CHECKPOINTS)
    batches = fit.batches_from(config, model, TrainingSlices(*train[:2]), step=0)
    validation = order.make_validation(config, model, validated, steps)
    watching = order.make_callbacks(
        config, model, checkpoints, validation, validated, start, stop, steps
    )
    first, last = Times(), Times()
    fit.fit_from(start, config, model, batches, steps, [first, *watching, last])
    return first, last


def _slices(size: int, count: int, seed: int) -> slices.Slices:
    """Random slices of ten patients."""
    images = np.random.default_rng(seed).integers(0, 65536, (count, size, size), np.uint16)
    ids = np.arange(count) * 10 // count
    metadata = {
        "id/patient": ids,
        "id/series": ids,
        "geom/slice_index": np.arange(count),
        "geom/slice_frac": np.linspace(0, 1, count, dtype=np.float32),
    }
    return slices.Slices(images, metadata)
