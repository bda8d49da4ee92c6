"""The best epoch by validation: which it is, how often was looked, and its checkpoint."""

import csv
import math
import pathlib
from collections.abc import Iterable

import keras

from tfcyclegan.training.distribution.collectives import from_chief
from tfcyclegan.training.distribution.strategies import is_chief
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints
from tfcyclegan.training.rundir.workdir import record

SCORES = ("psnr_volume", "kid_patient", "kid")
"""The first that the validation has selects: fidelity, where pairs show it."""

DISTANCES = ("kid", "fd", "fid")
RECORD = "selection"


def score_to_select_by(keys: Iterable[str], directions: tuple[str, ...]) -> str | None:
    """Returns the first of `SCORES` that a validation has in every direction, or None.

    Args:
        keys: The keys of `Validation`.
        directions: Those that the model has.
    """
    have = set(keys)
    for score in SCORES:
        if directions and have.issuperset(f"val_{score}_{name}" for name in directions):
            return score
    return None


def selection_score(values: dict, score: str, directions: tuple[str, ...]) -> float | None:
    """Returns the mean of a score over the directions, None where one of them is absent.

    Args:
        values: Logs of an epoch, or a row of history.csv.
        score: Name of the score.
        directions: Those that the model has.
    """
    scores = [values.get(f"val_{score}_{name}") for name in directions]
    if any(value in (None, "") for value in scores):
        return None
    # As many digits as history.csv holds, so that a run that continues decides alike.
    return sum(float(f"{float(value):.9g}") for value in scores) / len(scores)


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the state of the epoch with the best score, beside the run's other checkpoints.

    The best so far follows from history.csv. What is kept, of which epoch, and how many epochs were
    looked at stands in run.json, because a score that was selected by is not a test score.

    Args:
        checkpoints: Where to; of a folder of its own that keeps two, because the run may turn back
            behind the newer one.
        score: The mean over the directions counts; distances are better when low.
        directions: Those that the model has.
        workdir: Has history.csv and run.json.
        finished: Epochs that the run's checkpoint has finished.
        strategy: Strategy of the run; all workers save, the chief's history counts.
    """

    def __init__(
        self,
        checkpoints: RunCheckpoints,
        score: str,
        directions: tuple[str, ...],
        workdir: str,
        finished: int,
        strategy,
    ):
        super().__init__()
        self._checkpoints, self._score, self._directions = checkpoints, score, directions
        self._workdir = pathlib.Path(workdir)
        self._lower, self._chief = score.startswith(DISTANCES), is_chief(strategy)
        history = self._workdir / "history.csv"
        past = past_scores(history, score, directions, finished) if self._chief else {}
        kept = checkpoints.forget_after(Position(finished)) if self._chief else []
        known = [position.epoch for position in kept if position.epoch in past]
        best = [known[-1], past[known[-1]]] if known else None
        self._looks, self._best = from_chief(strategy, [len(past), best])

    def on_train_begin(self, logs=None):
        self._record()

    def on_epoch_end(self, epoch, logs=None):
        score = selection_score(logs or {}, self._score, self._directions)
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


def past_scores(
    path: pathlib.Path, score: str, directions: tuple[str, ...], finished: int
) -> dict[int, float]:
    """Returns the score of each validated epoch up to `finished`, from history.csv."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = [
            (int(row["epoch"]), selection_score(row, score, directions))
            for row in csv.DictReader(file)
        ]
    return {epoch: value for epoch, value in rows if epoch <= finished and value is not None}
