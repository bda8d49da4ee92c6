"""Files that are whole or not there."""

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterator

from tfcyclegan.errors import ExitCode, UserError


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


def write(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a whole file or none."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_first(path: pathlib.Path, content: str) -> None:
    """Writes a file into a directory that need not exist yet; errors as `write`."""
    with explained():
        path.parent.mkdir(parents=True, exist_ok=True)
    write(path, content)


def append(path: pathlib.Path, line: str) -> None:
    """Adds a line and waits until it is on the disk.

    Raises:
        UserError: The disk is full or the directory not writable (6).
    """
    with explained(), path.open("a") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` that takes its place when the block succeeds.

    Raises:
        UserError: The disk is full or the directory not writable; nothing half-written stays.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with explained():
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise UserError(
            f"--output {'is on a full disk' if full else 'cannot be written'}: what is finished"
            " stays, run the command again when there is space and permission.",
            ExitCode.NOT_WRITABLE,
        ) from error
