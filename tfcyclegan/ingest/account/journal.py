"""What a conversion has finished, so that an interrupted one goes on where it was.

One line per shard: its row of the manifest and what became of its volumes, because a shard that is
not converted again must be accounted for too. The file is removed when the conversion is finished.
"""

import collections
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence

from tfcyclegan import files
from tfcyclegan.data import manifest
from tfcyclegan.data.manifest import Shard
from tfcyclegan.ingest import output
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.privacy.hygiene import Fault


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one volume.

    Attributes:
        reason: Why no record was made of it, or empty.
        kept: Object index of each frame that became a record.
        refused: (object index, why) of each other frame.
        warnings: Count of the parser's warnings by category.
    """

    reason: str
    kept: list[int]
    refused: list[tuple[int, Fault]]
    warnings: collections.Counter

    def to_row(self) -> list:
        refused = [(index, dataclasses.astuple(fault)) for index, fault in self.refused]
        return [self.reason, self.kept, refused, self.warnings]

    @classmethod
    def from_row(cls, row: list) -> "Outcome":
        reason, kept, refused, warnings = row
        faults = [(index, Fault(*fields)) for index, fields in refused]
        return cls(reason, kept, faults, collections.Counter(warnings))


def digest_of(scanned: Sequence[Scanned]) -> str:
    """Returns hex digits that change when any input, its outcome so far, or their order does."""
    digest = hashlib.sha256()
    for item in scanned:
        reason = item.fault.reason if item.fault else ""
        digest.update(f"{item.file_key} {item.content_key} {reason}\n".encode())
    return digest.hexdigest()[:32]


class Journal:
    """The finished shards of an output directory.

    Args:
        directory: Claimed by this conversion, which has the configuration and key of the last one.
        inputs: Of `digest_of`; lines of other inputs are forgotten.

    Attributes:
        finished: Shard name to its row and its volumes' outcomes, in the order of the plan; only
            shards whose SHA-256 is what it was.
    """

    def __init__(self, directory: pathlib.Path, inputs: str):
        self._path, self._inputs = directory / output.JOURNAL, inputs
        self.finished: dict[str, tuple[Shard, list[Outcome]]] = {}
        lines = []
        for line in _lines(self._path):
            entry = _parsed(line, inputs)
            if entry and _is_whole(directory, entry[0]):
                self.finished[entry[0].shard] = entry
                lines.append(line + "\n")
        # A kill may have cut the last line, so the whole ones are written again: the next line must
        # not continue a cut one.
        files.write(self._path, "".join(lines))

    def add(self, shard: Shard, outcomes: list[Outcome]) -> None:
        """Writes down a finished shard."""
        row = {"inputs": self._inputs, "shard": dataclasses.asdict(shard)}
        row["outcomes"] = [outcome.to_row() for outcome in outcomes]
        files.append(self._path, json.dumps(row) + "\n")


def _lines(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _parsed(line: str, inputs: str) -> tuple[Shard, list[Outcome]] | None:
    try:
        row = json.loads(line)
        if row["inputs"] != inputs:
            return None
        shard = Shard(**{**row["shard"], "patients": tuple(row["shard"]["patients"])})
        return shard, [Outcome.from_row(outcome) for outcome in row["outcomes"]]
    except (ValueError, TypeError, KeyError):
        return None


def _is_whole(directory: pathlib.Path, shard: Shard) -> bool:
    path = directory / shard.shard
    try:
        return path.stat().st_size == shard.bytes and manifest.sha256_of(path) == shard.sha256
    except OSError:
        return False
