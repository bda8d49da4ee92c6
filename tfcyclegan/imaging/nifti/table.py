"""The table of a conversion: one row per image, with the masks that belong to it."""

import csv
import io
import os
import pathlib
from collections.abc import Iterator

from tfcyclegan.data.records import MASKS, SEQUENCES
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.imaging.nifti.files import MaskFile, VolumeFile, objection
from tfcyclegan.imaging.source.walk import InputObject

REQUIRED = ("patient", "study", "sequence", "path")
OPTIONAL = {f"{name}_mask": name for name in MASKS}


def read(path: pathlib.Path, plane: str) -> list[InputObject]:
    """Returns the files that a table names, in an order that does not depend on that of its rows.

    Args:
        path: CSV in UTF-8, with or without a byte order mark, with any line ends, separated by
            commas or, as spreadsheet programs of some countries do, by semicolons.
        plane: Plane that slices are wanted of.

    Raises:
        UserError: The table cannot be read, or a cell is wrong. Messages name row and column, the
            heading being row 1, and never a value.
    """
    rows = sorted(_rows(path), key=lambda row: (sorted(row[1].items()), row[0]))
    folder = os.path.realpath(os.fsencode(path.parent))
    objects: list[InputObject] = []
    for number, cells in rows:
        columns = [column for column in OPTIONAL if cells.get(column)]
        volume = VolumeFile(
            **_place(number, "path", cells, folder),
            patient=_bytes(cells["patient"]),
            study=_bytes(cells["study"]),
            sequence=cells["sequence"].lower(),
            plane=plane,
            companions=tuple(len(objects) + 1 + i for i in range(len(columns))),
        )
        objects.append(volume)
        for column in columns:
            location = _place(number, column, cells, folder)
            objects.append(MaskFile(**location, name=OPTIONAL[column], volume=volume))
    return objects


def _place(number: int, column: str, cells: dict[str, str], folder: bytes) -> dict:
    named_path = os.path.join(folder, _bytes(cells[column]))
    refused = objection(named_path)
    # A path with a NUL has no real path, and is refused above.
    real = named_path if refused else os.path.realpath(named_path)
    return {
        "path": real,
        "relative": os.path.relpath(real, folder),
        "refused": refused,
        "label": f"row {number}, column {column}",
    }


def _bytes(cell: str) -> bytes:
    return cell.encode("utf-8", "surrogateescape")


def _rows(path: pathlib.Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (row number, column to cell) of every row that is not blank."""
    lines = _cells(path)
    heading = [cell.lower() for cell in lines[0]] if lines else []
    _check_heading(heading)
    empty = True
    for number, row in enumerate(lines[1:], 2):
        if not any(row):
            continue
        if len(row) != len(heading):
            raise _error(
                f"row {number} must have {len(heading)} cells like the heading. Received:"
                f" {len(row)}. Put a cell that holds a comma into double quotes."
            )
        cells = dict(zip(heading, row, strict=True))
        _check_row(number, cells)
        empty = False
        yield number, cells
    if empty:
        raise _error("there must be a row below the heading for each image. Received: none.")


def _cells(path: pathlib.Path) -> list[list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
        heading = text.partition("\n")[0]
        delimiter = ";" if heading.count(";") > heading.count(",") else ","
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [[cell.strip() for cell in row] for row in rows]
    except OSError:
        raise UserError(
            "--table cannot be read. Name a CSV file that exists and that you can read.",
            ExitCode.MISSING,
        ) from None
    except csv.Error:
        raise _error("it is not a CSV file. Save it as comma separated values.") from None


def _check_heading(heading: list[str]) -> None:
    missing = [column for column in REQUIRED if column not in heading]
    if missing:
        raise _error(
            f"row 1 must name the columns {', '.join(REQUIRED)}, separated by commas. Missing:"
            f" {', '.join(missing)}."
        )
    for number, column in enumerate(heading, 1):
        if column not in (*REQUIRED, *OPTIONAL) or heading.index(column) != number - 1:
            raise _error(
                f"row 1, cell {number} must be one of {', '.join((*REQUIRED, *OPTIONAL))}, each"
                " once. Received: another word. Rename or remove the column."
            )


def _check_row(number: int, cells: dict[str, str]) -> None:
    for column in REQUIRED:
        if not cells[column]:
            raise _error(f"row {number}, column {column} must not be empty. Fill it in.")
    if cells["sequence"].lower() not in SEQUENCES:
        raise _error(
            f"row {number}, column sequence must be one of {', '.join(SEQUENCES)}. Received:"
            " another word."
        )


def _error(what: str) -> UserError:
    return UserError(f"--table: {what}", ExitCode.USAGE)
