"""The output directory: claimed by one process, of one configuration, written atomically."""

import contextlib
import json
import pathlib
import re
from collections.abc import Iterator

from tfcyclegan import files
from tfcyclegan.data import manifest
from tfcyclegan.errors import ExitCode, UserError

SERIES, QUARANTINE, AUDIT = "series.csv", "quarantine.jsonl", "audit.jsonl"
SHEETS, PICTURES = "qa", "png"
JOURNAL = ".finished.jsonl"
_STATE = ".conversion.json"
_OWN = {manifest.MANIFEST, manifest.CARD, SERIES, QUARANTINE, AUDIT, SHEETS, PICTURES}
_OWN |= {JOURNAL, files.LOCK, _STATE}
_SHARD = re.compile(r"[a-z0-9]+-(train|val|test)-[a-z0-9_]+-\d{5}-of-\d{5}\.tfrecord")


@contextlib.contextmanager
def claimed(directory: pathlib.Path, identity: dict) -> Iterator[None]:
    """Holds a directory for one conversion.

    Args:
        directory: Made if it does not exist.
        identity: What must be equal for a conversion to continue in the directory.

    Raises:
        UserError: It cannot be written (6); or another process holds it, it has foreign files, or
            shards of another configuration or key (8).
    """
    with files.locked(directory):
        _check_contents(directory, identity)
        # Written before the card is removed. After a kill in between, one of the two files still
        # says which configuration the shards are of.
        files.write(directory / _STATE, json.dumps(identity, sort_keys=True))
        _forget(directory)
        yield
        (directory / JOURNAL).unlink(missing_ok=True)
        (directory / _STATE).unlink()


def _check_contents(directory: pathlib.Path, identity: dict) -> None:
    foreign = [path for path in directory.iterdir() if not _is_own(path.name)]
    if foreign:
        raise UserError(
            f"--output holds {len(foreign)} file(s) or directories that no conversion wrote. Name"
            " an empty directory.",
            ExitCode.MISMATCH,
        )
    if not any(_SHARD.fullmatch(path.name) for path in directory.iterdir()):
        return
    states = [directory / name for name in (_STATE, manifest.CARD)]
    identities = [_read(path) for path in states if path.is_file()]
    if not identities or any({k: row.get(k) for k in identity} != identity for row in identities):
        raise UserError(
            "--output holds shards of another configuration, key or version. Repeat the flags and"
            " the key they were made with, or name an empty directory.",
            ExitCode.MISMATCH,
        )


def _is_own(name: str) -> bool:
    return name in _OWN or bool(_SHARD.fullmatch(name) or files.TEMPORARY.fullmatch(name))


def is_published(name: str) -> bool:
    """Tells whether a finished conversion leaves a file of this name in its directory."""
    return (
        name in _OWN - {JOURNAL, files.LOCK, _STATE, SHEETS, PICTURES}
        or _SHARD.fullmatch(name) is not None
    )


def _read(path: pathlib.Path) -> dict:
    try:
        row = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return row if isinstance(row, dict) else {}


def _forget(directory: pathlib.Path) -> None:
    """Removes what ends a conversion, and leftovers of one that was interrupted."""
    files.remove_unfinished(directory.rglob("*"))
    for name in (manifest.MANIFEST, manifest.CARD):
        (directory / name).unlink(missing_ok=True)


def remove_other_shards(directory: pathlib.Path, keep: set[str]) -> None:
    """Removes shards of an earlier conversion that this one does not have."""
    for path in directory.iterdir():
        if _SHARD.fullmatch(path.name) and path.name not in keep:
            path.unlink()
