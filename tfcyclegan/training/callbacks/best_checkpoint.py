"""The best epoch by validation: which it is, how often was looked, and its checkpoint."""

import csv
import math
import pathlib
from collections.abc import Iterable

import keras

from tfcyclegan.models import translators
from tfcyclegan.training.distribution.collectives import from_chief
from tfcyclegan.training.distribution.strategies import is_chief
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.rundir.workdir import record

SCORES = ("psnr_volume", "kid_patient", "kid")
"""The first that the validation has selects: fidelity, where pairs show it."""

DISTANCES = ("kid", "fd", "fid")
RECORD = "selection"


def score_to_select_by(keys: Iterable[str]) -> str | None:
    """Returns the first of `SCORES` that a validation has, or None.

    Args:
        keys: The keys of `Validation`.
    """
    ending = f"_{translators.DIRECTIONS[0]}"
    have = {key.removeprefix("val_").removesuffix(ending) for key in keys if key.endswith(ending)}
    return next((score for score in SCORES if score in have), None)


def selection_score(values: dict, score: str) -> float | None:
    """Returns the mean over both directions of a score, None where one of them is absent.

    Args:
        values: Logs of an epoch, or a row of history.csv.
        score: Name of the score.
    """
    both = [values.get(f"val_{score}_{name}") for name in translators.DIRECTIONS]
    if any(value in (None, "") for value in both):
        return None
    # As many digits as history.csv holds, so that a run that continues decides alike.
    return sum(float(f"{float(value):.9g}") for value in both) / len(both)


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the state of the epoch with the best score, beside the run's other checkpoints.

    The best so far follows from history.csv. What is kept, of which epoch, and how many epochs were
    looked at stands in run.json, because a score that was selected by is not a test score.

    Args:
        checkpoints: Where to; of a folder of its own that keeps two, because the run may turn back
            behind the newer one.
        score: The mean over both directions counts; distances are better when low.
        workdir: Has history.csv and run.json.
        finished: Epochs that the run's checkpoint has finished.
        strategy: Strategy of the run; all workers save, the chief's history counts.
    """

    def __init__(
        self, checkpoints: RunCheckpoints, score: str, workdir: str, finished: int, strategy
    ):
        super().__init__()
        self._checkpoints, self._score, self._workdir = checkpoints, score, pathlib.Path(workdir)
        self._lower, self._chief = score.startswith(DISTANCES), is_chief(strategy)
        past = past_scores(self._workdir / "history.csv", score, finished) if self._chief else {}
        kept = checkpoints.forget_after(Position(finished)) if self._chief else []
        known = [position.epoch for position in kept if position.epoch in past]
        best = [known[-1], past[known[-1]]] if known else None
        self._looks, self._best = from_chief(strategy, [len(past), best])

    def on_train_begin(self, logs=None):
        self._record()

    def on_epoch_end(self, epoch, logs=None):
        score = selection_score(logs or {}, self._score)
        if score is None or not math.isfinite(score):
            return
        self._looks += 1
        if self._best is None or (score < self._best[1] if self._lower else score > self._best[1]):
            self._best = [epoch + 1, score]
            self._checkpoints.save(Position(epoch + 1))
        self._record()

    def _record(self) -> None:
        if self._chief and self._best:
            epoch, value = self._best
            better = "lower" if self._lower else "higher"
            described = {"by": self._score, "better": better, "looks": self._looks}
            record(self._workdir, RECORD, {**described, "epoch": epoch, "value": value})


def past_scores(path: pathlib.Path, score: str, finished: int) -> dict[int, float]:
    """Returns the score of each validated epoch up to `finished`, from history.csv."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = [(int(row["epoch"]), selection_score(row, score)) for row in csv.DictReader(file)]
    return {epoch: value for epoch, value in rows if epoch <= finished and value is not None}
