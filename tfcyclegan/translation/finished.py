"""What a translation has finished: the report of each volume, and where a killed run goes on.

`translation.jsonl` has a line per finished volume, written after its files are in place; it stays,
so that the same command later translates what is new. No string in it was read from the input.
"""

import dataclasses
import hashlib
import json
import pathlib
import secrets
from collections.abc import Sequence

from tfcyclegan import files
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest.account.journal import Outcome
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.privacy import pseudonyms
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.translation.volume_report import Report

VOLUMES = "translation.jsonl"
STATE = "translation.json"
KEY = ".key"
"""A key of the run's own, which is forgotten when all is done."""


class Account:
    """The finished volumes of an output directory, which `files.locked` holds.

    Args:
        directory: The output.
        identity: What must be equal for a translation to continue there.

    Raises:
        UserError: The directory holds something else, or another translation (8).

    Attributes:
        finished: Series key to (digest of its inputs, report, outcome).
    """

    def __init__(self, directory: pathlib.Path, identity: dict):
        self._directory = directory
        _check(directory, identity)
        files.write(directory / STATE, json.dumps(identity, sort_keys=True, indent=1) + "\n")
        files.remove_unfinished(directory.rglob("*"))
        self.finished: dict[str, tuple[str, Report, Outcome]] = {}
        for line in _lines(directory / VOLUMES):
            if entry := _parsed(line):
                self.finished[entry[1].series_key] = entry
        self._rewrite()

    def done(self, series_key: str, inputs: str) -> bool:
        """Tells whether a volume is finished, its files are there, and its inputs are the same."""
        digest, report, _ = self.finished.get(series_key, ("", None, None))
        return digest == inputs and all((self._directory / f).exists() for f in report.files)

    def add(self, inputs: str, report: Report, outcome: Outcome) -> None:
        """Writes down a finished volume."""
        self.finished[report.series_key] = (inputs, report, outcome)
        files.append(self._directory / VOLUMES, _line(inputs, report, outcome))

    def keep(self, series_keys: set[str]) -> None:
        """Forgets volumes that are no input any more; their files stay."""
        self.finished = {k: v for k, v in self.finished.items() if k in series_keys}
        self._rewrite()

    def _rewrite(self) -> None:
        # A kill may have cut the last line, and another may be written only behind a whole one.
        lines = (_line(*entry) for entry in self.finished.values())
        files.write(self._directory / VOLUMES, "".join(lines))


def inputs_of(scanned: Sequence[Scanned], indices: set[int]) -> str:
    """Returns 32 hex digits that change when the content of any of these objects does."""
    keys = sorted(scanned[index].content_key for index in indices)
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]


def fresh_key(directory: pathlib.Path) -> Pseudonyms:
    """Returns a key of the run's own; a run that was killed finds it again.

    Raises:
        UserError: The directory holds a finished translation, whose key is gone (8).
    """
    path = directory / KEY
    if path.exists():
        return Pseudonyms(path.read_bytes())
    if (directory / STATE).exists():
        raise UserError(
            "--output holds a translation whose key is not here. Repeat the --key_file it was made"
            " with, or name an empty directory; with --key_file a translation can be continued.",
            ExitCode.MISMATCH,
        )
    with files.replacing(path, mode=pseudonyms.MODE) as beside:
        beside.write_bytes(secrets.token_bytes(pseudonyms.KEY_BYTES))
    return Pseudonyms(path.read_bytes())


def _check(directory: pathlib.Path, identity: dict) -> None:
    own_files = {files.LOCK, KEY}
    if not (directory / STATE).exists():
        found = (path.name for path in directory.iterdir())
        if any(not (name in own_files or files.TEMPORARY.fullmatch(name)) for name in found):
            raise UserError(
                "--output holds files that no translation wrote. Name an empty directory.",
                ExitCode.MISMATCH,
            )
        return
    try:
        stored_identity = json.loads((directory / STATE).read_text())
    except ValueError:
        stored_identity = {}
    if stored_identity != identity:
        raise UserError(
            "--output holds a translation by another model, key, version or flags. Repeat those it"
            " was made with, or name an empty directory.",
            ExitCode.MISMATCH,
        )


def _line(inputs: str, report: Report, outcome: Outcome) -> str:
    row = {"inputs": inputs, **dataclasses.asdict(report), "outcome": outcome.to_row()}
    return json.dumps(row) + "\n"


def _lines(path: pathlib.Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _parsed(line: str) -> tuple[str, Report, Outcome] | None:
    try:
        row = json.loads(line)
        inputs, outcome = row.pop("inputs"), Outcome.from_row(row.pop("outcome"))
        row = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        return inputs, Report(**row), outcome
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
