"""history.csv: one row per epoch."""

import csv
import io
import pathlib

import keras

from tfcyclegan import files


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
        files.write(self._path, text.getvalue(), flag=None)
