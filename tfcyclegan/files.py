"""Files and folders that are whole or not there: the only place that renames."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator

from tfcyclegan.errors import ExitCode, UserError

TEMPORARY = re.compile(r"\..+\.tmp-\d+(\.[a-z.]+)?")
"""Names of what is being written."""


def write(path: pathlib.Path, content: str | bytes, flag: str | None = "--output") -> None:
    """Writes a whole file or none; arguments and errors as of `replacing`."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path, flag) as beside:
        beside.write_bytes(data)


def append(path: pathlib.Path, line: str, flag: str | None = "--output") -> None:
    """Adds a line and waits until it is on the disk; errors as of `replacing`."""
    with explained(flag), path.open("a") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(
    path: pathlib.Path, flag: str | None = "--output", suffix: str = ""
) -> Iterator[pathlib.Path]:
    """Yields a name beside `path`; what the block puts there takes its place, if anything.

    It is on the disk by then, so that a loss of power leaves the old one or the new one. If the
    block raises, nothing of it stays, and `path` is as it was.

    Args:
        path: Of a file, or of a folder with all that is in it.
        flag: What a message calls the place; None passes an OSError on as it is.
        suffix: End of the name, where a library goes by it.

    Raises:
        UserError: The disk is full or the place is not writable (6).
    """
    beside = path.with_name(f".{path.name}.tmp-{os.getpid()}{suffix}")
    remove(beside)
    try:
        with explained(flag):
            yield beside
            if not beside.exists():
                return
            for written in (*beside.rglob("*"), beside):
                sync(written)
            if beside.is_dir():
                remove(path)
            os.replace(beside, path)
            sync(path.parent)
    finally:
        remove(beside)


def sync(path: pathlib.Path) -> None:
    """Waits until a file or directory is on the disk, so that a loss of power leaves it whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: pathlib.Path) -> None:
    """Removes a file, or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_unfinished(paths: Iterable[pathlib.Path]) -> None:
    """Removes those of some files and folders that programs have left half-written."""
    for path in list(paths):
        if TEMPORARY.fullmatch(path.name):
            remove(path)


@contextlib.contextmanager
def explained(flag: str | None) -> Iterator[None]:
    """Turns an OSError into a UserError (6) that names a flag; None passes it on as it is."""
    try:
        yield
    except OSError as error:
        if flag is None:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise UserError(
            f"{flag} {'is on a full disk' if full else 'cannot be written'}: what is finished"
            " stays, run the command again when there is space and permission.",
            ExitCode.NOT_WRITABLE,
        ) from error
