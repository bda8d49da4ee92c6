"""Warnings of a wrong contrast, early enough to begin again.

T2 to FLAIR inverts fluid and nothing else. A CycleGAN of two sequences falls early into one of two
basins, and neither is right: "identity", where fluid keeps the brightness that it had, or
"inversion", where the whole head comes out with bright and dark exchanged, which the cycle undoes.
Training seldom leaves either. The signs of the correlation between source and translation tell them
apart: inside the head, where fluid decides, and at its rim, where skin and fat are bright in both
sequences.
"""

import dataclasses
import math
import sys

import keras
import numpy as np

from tfcyclegan.data import batches
from tfcyclegan.data.head import REGIONS
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.correlation import correlations, mean_correlation
from tfcyclegan.models import translators
from tfcyclegan.training.rundir.checkpoint_files import Position, position

FIRST_EPOCHS = 10
"""Epochs in which a warning still helps: a run can be started again at little loss."""

MARGIN = 0.1
"""A correlation must be this far below both 0 and that of real pairs to be called inverted."""


class InversionGuard(keras.callbacks.Callback):
    """Warns once where the sign of `val_source_correlation_*` in `logs` says inversion.

    Stands after the `Validation` that adds them: the correlation of source and translation inside
    the head, the mean over slices.

    Args:
        slices: Validation slices; the correlation of their pairs is what a translation should have.
            Where there are none, 0 alone is the limit.
    """

    def __init__(self, slices: ValidationSlices):
        super().__init__()
        rows = np.arange(slices.pairs)
        a, b = slices.a.take(rows).unit(), slices.b.take(rows).unit()
        self._real = {
            name: mean_correlation(source, target)
            for name, source, target in zip(translators.DIRECTIONS, (a, b), (b, a), strict=True)
        }
        self._warned = False

    def on_epoch_end(self, epoch, logs=None):
        for name, real in self._real.items():
            made = (logs or {}).get(f"val_source_correlation_{name}", 0.0)
            inverted = made < min(0.0, real) - MARGIN
            if inverted and epoch < FIRST_EPOCHS and not self._warned:
                self._warned = True
                print(_warning(name, epoch + 1, made, real), file=sys.stderr)


def _warning(name: str, epoch: int, made: float, real: float) -> str:
    beside = "" if np.isnan(real) else f", that of real pairs {real:.2f}"
    return (
        f"warning: after epoch {epoch} the translation {name} inverts contrast: its correlation"
        f" with the source inside the head is {made:.2f}{beside}. Runs seldom recover from this."
        " Start again in another --workdir with another --seed, a larger --identity_weight or,"
        " unless it is so already, --initializer=normal_0.02."
    )


DECIDED_AT = 0.1
"""Share of a run's steps after which it is judged."""
SLICES = 8
"""Slices of each domain that it is judged by."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """How a run stood when it was judged.

    Args:
        basin: "identity", "inversion", or "" where neither is certain.
        step: Steps of the run so far.
        made: Correlation of source and translation by direction and region, `a_to_b_inside`.
    """

    basin: str
    step: int
    made: dict[str, float]


def basin_of(made: dict[str, float], real: dict[str, float]) -> str:
    """Returns "inversion", "identity" or "" from the correlations of one direction.

    Inverted is a rim whose correlation is clearly below both 0 and that of real pairs. Left as it
    was is an inside whose correlation is nearer to that of a copy, 1, than to that of real pairs,
    which is near 0 for T2 and FLAIR; without real pairs that cannot be told.
    """
    if made["rim"] < (min(0.0, real["rim"]) if math.isfinite(real["rim"]) else 0.0) - MARGIN:
        return "inversion"
    if made["inside"] > (1.0 + real["inside"]) / 2.0:
        return "identity"
    return ""


class BasinWatch(keras.callbacks.Callback):
    """Judges a run once, after `DECIDED_AT` of its steps, and warns of a wrong basin.

    The step is a function of the run's length and the slices are fixed, so a run that was killed
    and goes on is judged alike.

    Args:
        slices: Validation slices; pairs, where there are any, say how real images correlate.
        start: Position of the run at which this fit begins.
        steps: Steps per epoch.
        epochs: Epochs of the run.
    """

    def __init__(self, slices: ValidationSlices, start: Position, *, steps: int, epochs: int):
        super().__init__()
        shown = slices.shown(SLICES)
        self._sources = dict(
            zip(translators.DIRECTIONS, (shown.a.unit(), shown.b.unit()), strict=True)
        )
        self._paired = shown.pairs > 0
        self._start, self._steps = start, steps
        self._due = max(1, int(DECIDED_AT * steps * epochs))

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        where = position(self._start, self._epoch, batch)
        step = where.epoch * self._steps + where.step
        if step == self._due:
            found = self._finding(step)
            if found.basin:
                print(f"warning: {sentence(found)}", file=sys.stderr)

    def _finding(self, step: int) -> Finding:
        made, basins = {}, []
        # Not the moving averages, which early in a run are still what it began with.
        generators = self.model.generator_ab, self.model.generator_ba
        for name, generator in zip(translators.DIRECTIONS, generators, strict=True):
            translator = translators.translator_of(generator)
            source = self._sources[name]
            of_made = correlations(source, batches.in_batches(translator, source))
            of_real = dict.fromkeys(REGIONS, math.nan)
            if self._paired:
                other = next(images for key, images in self._sources.items() if key != name)
                of_real = correlations(source, other)
            basins.append(basin_of(of_made, of_real))
            made |= {f"{name}_{region}": value for region, value in of_made.items()}
        return Finding(max(basins), step, made)  # "inversion" before "identity" before ""


def sentence(found: Finding) -> str:
    """Returns what a person reads about a run in a wrong basin."""
    figures = ", ".join(f"{name} {value:.2f}" for name, value in found.made.items())
    return (
        f"after {found.step} steps the run is in the basin of {found.basin} ({figures}; correlation"
        " of source and translation), which runs seldom leave"
    )
