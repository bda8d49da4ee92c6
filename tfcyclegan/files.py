"""Files that are whole or not there."""

import os
import pathlib


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file beside and renames it, so that a reader never sees half of it."""
    beside = path.with_name(f".{path.name}.tmp")
    if isinstance(content, bytes):
        beside.write_bytes(content)
    else:
        beside.write_text(content, encoding="utf-8", newline="")
    os.replace(beside, path)


def sync(path: pathlib.Path) -> None:
    """Waits until a file or directory is on the disk, so that a loss of power leaves it whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
