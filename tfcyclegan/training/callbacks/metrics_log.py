"""metrics.jsonl: everything that a run logs, times included, for programs that read it."""

import json
import math
import pathlib

import keras

from tfcyclegan import files


class MetricsLog(keras.callbacks.Callback):
    """Keeps one JSON object per epoch: `epoch` and every name in `logs`.

    Strict JSON: a value that is not finite is null. What depends on the clock is here and not in
    history.csv, which is equal for equal seeds. A run that continues drops the rows after its
    checkpoint.

    Args:
        path: The file.
        finished: Epochs that the checkpoint has finished.
    """

    def __init__(self, path: pathlib.Path, finished: int):
        super().__init__()
        self._path = path
        lines = path.read_text().splitlines() if path.is_file() else []
        self._lines = [text for text in lines if json.loads(text)["epoch"] <= finished]

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1}
        for name, value in (logs or {}).items():
            row[name] = float(value) if math.isfinite(value) else None
        self._lines.append(json.dumps(row, allow_nan=False))
        files.write(self._path, "".join(text + "\n" for text in self._lines), flag=None)
