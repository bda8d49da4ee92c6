"""The callback that scores both directions between epochs."""

import math
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.extractors import Extractor
from tfcyclegan.models.step.replicas import on_workers
from tfcyclegan.models.translators import DIRECTIONS, OPPOSITE
from tfcyclegan.training.distribution.collectives import from_chief
from tfcyclegan.training.distribution.strategies import LOST_WORKER, is_chief
from tfcyclegan.training.validation import real_cache as cache
from tfcyclegan.training.validation.direction import Direction
from tfcyclegan.training.validation.rows import real_features, scorer
from tfcyclegan.training.validation.samples import Samples, sample_scorer
from tfcyclegan.training.validation.sweep import Rows, Sweep

SHARE = 0.1
"""Largest share of a run's time that validation should take."""

COST = 0.2
"""Time to validate one slice of each domain, in times to train on one; docs/training.md has it."""

FAILURES = (ValueError, ArithmeticError, RuntimeError, tf.errors.OpError)
"""What a score can fail with: none of it is worth a run."""


class Validation(keras.callbacks.Callback):
    """Scores all directions on fixed slices every few epochs and adds the scores to `logs`.

    Keys are `val_<score>_a_to_b` and `val_<score>_b_to_a`; docs/metrics.md names the scores. In
    epochs without validation, and where a score could not be computed, a key is absent: it is never
    stale and never a made-up number. `validation_seconds` and `validation_share`, of all time
    since the callback was made, tell the cost.

    Stands before the callbacks that read `logs`, on every worker: all compute, the chief does the
    algebra, all get its numbers.

    Args:
        slices: Validation slices.
        extractor: Feature extractor of the distances.
        workdir: Keeps the features of the real slices under `cache/`; the chief's counts.
        every: Epochs between validations.
        epochs: The run's last epoch, which is validated too; 0 knows of none.
        strict: Raise where a score fails, instead of a warning.
        directions: Of the model.
        cycled: Whether it has a way back, which is scored where slices have no pairs.
        samples: Whether it makes its images without a source.
    """

    def __init__(
        self,
        slices: ValidationSlices,
        extractor: Extractor,
        workdir: str,
        *,
        every: int = 1,
        epochs: int = 0,
        strict: bool = False,
        directions: tuple[str, ...] = DIRECTIONS,
        cycled: bool = True,
        samples: bool = False,
    ):
        super().__init__()
        self._extractor, self._every, self._epochs = extractor, every, epochs
        self._cache, self._strict = pathlib.Path(workdir) / "cache", strict
        domains = {"a": slices.a, "b": slices.b}
        self._directions = {
            name: Samples(slices, name[-1], extractor)
            if samples
            else Direction(domains[name[0]], domains[name[-1]], slices.pairs, extractor, cycled)
            for name in directions
        }
        self._sweeps: dict[str, Sweep] = {}
        self._rows: dict[str, Rows] = {}
        self._real: dict[str, np.ndarray] = {}
        self._began, self._spent = time.monotonic(), 0.0

    def keys(self) -> list[str]:
        """Returns the keys of the scores, in the order in which they are logged."""
        return [
            f"val_{score}_{name}"
            for name, direction in self._directions.items()
            for score in direction.names()
        ]

    def due(self, epoch: int) -> bool:
        """Tells whether epoch 0, 1, ... is validated."""
        return (epoch + 1) % self._every == 0 or epoch + 1 == self._epochs

    def on_epoch_end(self, epoch, logs=None):
        if not self.due(epoch):
            return
        began = time.monotonic()
        try:
            logs.update(self._scores(epoch))
        except LOST_WORKER:
            raise
        except FAILURES as error:
            # A worker that goes on alone would wait for the others for ever.
            if self._strict or on_workers(self.model.distribute_strategy):
                raise
            _warn(epoch, "validation", error)
        now = time.monotonic()
        self._spent += now - began
        logs["validation_seconds"] = now - began
        logs["validation_share"] = self._spent / (now - self._began)

    def on_train_end(self, logs=None):
        share = self._spent / (time.monotonic() - self._began)
        if share > SHARE and self._spent > 1:
            print(
                f"note: validation took {share:.0%} of the time so far; a larger --validate_every"
                " or fewer --validation_pairs make it less",
                flush=True,
            )

    def _scores(self, epoch: int) -> dict[str, float]:
        scores, failed = {}, {}
        self.model.settle()
        for name, direction in self._prepared().items():
            rows = self._sweeps[name](self._rows[name])
            for score, compute in direction.scores(rows, self._real[name]).items():
                key = f"val_{score}_{name}"
                try:
                    scores[key] = _finite(compute())
                except FAILURES as error:
                    failed[key] = error
        if failed and is_chief(self.model.distribute_strategy):
            reason = next(iter(failed.values()))
            if self._strict:
                raise reason
            _warn(epoch, ", ".join(failed), reason)
        return from_chief(self.model.distribute_strategy, scores)

    def _prepared(self) -> dict[str, Direction]:
        """Returns the directions, when sweeps, rows and real features are there."""
        if self._sweeps:
            return self._directions
        strategy = self.model.distribute_strategy
        real = Sweep(strategy, real_features(self._extractor))
        networks = self.model.translators
        for name, direction in self._directions.items():
            path = self._cache / f"real_{name[-1]}.npz"
            self._real[name] = cache.cached(direction.real, self._extractor, real, path)
            if isinstance(direction, Samples):
                sampler = self.model.samplers[name[-1]]
                self._rows[name] = direction.rows(self.model)
                function = sample_scorer(sampler, self._extractor)
            else:
                self._rows[name] = direction.rows()
                there, back = networks[name], networks.get(OPPOSITE[name])
                function = scorer(there, back, self._extractor, columns=direction.columns)
            self._sweeps[name] = Sweep(strategy, function)
        return self._directions


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"A score expected a finite value. Received: {value}.")
    return value


def _warn(epoch: int, what: str, error: Exception) -> None:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    print(f"warning: after epoch {epoch + 1} there is no {what}: {reason}", file=sys.stderr)


def epochs_between(slices: ValidationSlices, steps: int, batch_size: int) -> int:
    """Returns the epochs between validations that keep their cost near `SHARE` of training's.

    A function of counts, not of the clock, so that two runs of one seed validate alike.

    Args:
        slices: Validation slices.
        steps: Steps per epoch.
        batch_size: Global batch size.
    """
    validated = COST * (len(slices.a) + len(slices.b)) / 2
    return max(1, math.ceil(validated * (1 - SHARE) / (SHARE * steps * batch_size)))
