"""The operator's word on the class of a series: an edited series.csv, fed back by --mapping.

Keys are pseudonyms, so the file holds nothing of a patient and may travel. Spreadsheet programs add
byte order marks, carriage returns and semicolons; all three are read. What a cell holds is never
shown, because a wrong file might hold anything: messages give its row.
"""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Iterable

from tfcyclegan.data.records import SEQUENCES
from tfcyclegan.errors import ExitCode, UserError

SKIP = "skip"
"""What --mapping says of a series that is not wanted, beside the names of records.SEQUENCES."""
_KEY, _CLASS = "series_key", "user_class"


@dataclasses.dataclass(frozen=True)
class Choice:
    """A filled-in row: its number in the file, 1 being the header, and its class."""

    row: int
    user_class: str


Classes = dict[str, Choice]
"""By series key."""


def read(path: str) -> Classes:
    """Reads the rows whose user_class is filled in; an empty path has none.

    Raises:
        UserError: The file cannot be read, lacks a column, or a row has no key, an unknown class,
            or another class than an earlier row of the same series.
    """
    if not path:
        return {}
    text = _text(path)
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    classes: Classes = {}
    try:
        _check_header(reader.fieldnames or [])
        for cells in reader:
            _add(classes, reader.line_num, cells)
    except csv.Error as error:
        raise _wrong(reader.reader.line_num, "the row is not valid CSV") from error
    return classes


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(
            "--mapping cannot be read. Name a series.csv of an earlier conversion, saved as UTF-8.",
            ExitCode.USAGE,
        ) from error


def _check_header(names: Iterable[str]) -> None:
    for name in (_KEY, _CLASS):
        if name not in names:
            raise _wrong(1, f"the header lacks the column {name}")


def _add(classes: Classes, row: int, cells: dict) -> None:
    key, user_class = ((cells[name] or "").strip().lower() for name in (_KEY, _CLASS))
    if not user_class:
        return
    if user_class != SKIP and user_class not in SEQUENCES:
        raise _wrong(row, f"user_class must be empty, {SKIP}, or one of {', '.join(SEQUENCES)}")
    earlier = classes.setdefault(key, Choice(row, user_class))
    if earlier.user_class != user_class:
        raise _wrong(row, f"the series has another user_class in row {earlier.row}")


def _wrong(row: int, what: str) -> UserError:
    return UserError(
        f"--mapping, row {row}: {what}. Correct the file and run again.", ExitCode.USAGE
    )


def check(classes: Classes, known: Iterable[str]) -> None:
    """Raises UserError if a series of the mapping is not among the `known` keys of the input."""
    known = set(known)
    for key, choice in classes.items():
        if key not in known:
            raise UserError(
                f"--mapping, row {choice.row}: --input has no series of this series_key. Keys"
                " follow --key_file: use the one that series.csv was made with, or empty the"
                " user_class.",
                ExitCode.USAGE,
            )


def settled(classes: Classes) -> tuple[tuple[str, str], ...]:
    """Returns (series key, class) sorted: what the records depend on."""
    return tuple(sorted((key, choice.user_class) for key, choice in classes.items()))


def annotated(series_rows: Iterable[dict], mapping: Iterable[tuple[str, str]]) -> list[dict]:
    """Returns rows of series.csv with the classes that were fed back, so that none is lost."""
    classes = dict(mapping)
    return [{**row, _CLASS: classes.get(row[_KEY], "")} for row in series_rows]
