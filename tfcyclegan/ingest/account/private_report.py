"""The operator's own report: which file stands behind a file_key. It holds identifiers.

The one place that strings of the input are written to; never inside the output, readable by its
owner only, and written on request only (spec/ingestion.md, A9).
"""

import json
import os
import pathlib
from collections.abc import Sequence

from tfcyclegan import files
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.imaging.dicom import headers, silence
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy.pseudonyms import MODE


def check(path: pathlib.Path, output: pathlib.Path, key: pathlib.Path) -> None:
    """Refuses a place that others would get, or a file that is no earlier report.

    Args:
        path: Of --private_report.
        output, key: Resolved paths of --output and --key_file.

    Raises:
        UserError: Names the flag and what is wrong with it, never the path.
    """
    place = path.resolve()
    problem = ""
    if place == output or output in place.parents:
        problem = "must lie outside --output, because it holds identifiers"
    elif place == key:
        problem = "must not be the file of --key_file"
    elif not place.parent.is_dir() or not os.access(place.parent, os.W_OK):
        problem = "must lie in a directory that exists and that you can write to"
    elif place.exists() and not (place.is_file() and place.stat().st_mode & 0o777 == MODE):
        problem = "exists and is no earlier report of mode 0600, so it is not replaced"
    if problem:
        raise UserError(f"--private_report {problem}. Name another file.", ExitCode.USAGE)


def write(
    path: pathlib.Path,
    objects: Sequence[InputObject],
    scanned: Sequence[Scanned],
    workers: Workers,
) -> None:
    """Writes one JSON line for every input object: file_key, path, SeriesDescription.

    Args:
        path: Checked by `check`; an earlier report is replaced.
        objects: Every object of the input.
        scanned: What the first pass knows of each.
        workers: Headers are parsed in these, as in the first pass.

    Raises:
        UserError: The report cannot be written.
    """
    tasks = [
        (item, not scanned_object.frames)
        for item, scanned_object in zip(objects, scanned, strict=True)
    ]
    descriptions = list(workers.map(describe, tasks))
    try:
        with (
            files.replacing(path, flag=None, mode=MODE) as beside,
            beside.open("w", encoding="ascii") as file,
        ):
            for item, scanned_object, text in zip(objects, scanned, descriptions, strict=True):
                file.write(
                    _line(item, scanned_object, text if isinstance(text, str) else "") + "\n"
                )
    except OSError as error:
        raise UserError(
            "--private_report cannot be written. Name another file.", ExitCode.USAGE
        ) from error


def describe(item: InputObject, refused: bool) -> str:
    """Returns an object's SeriesDescription, empty where its header was refused; in a worker."""
    if refused:
        return ""
    with silence.silenced():
        return headers.description(item.read())


def _line(item: InputObject, known: Scanned, description: str) -> str:
    row = {
        "file_key": known.file_key,
        "path": os.fsdecode(item.path),
        "series": known.frames[0].series if known.frames else "",
        "SeriesDescription": description,
    }
    return json.dumps(row)
