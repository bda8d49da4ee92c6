"""Files and folders that are whole or not there: the only place that renames."""

import contextlib
import errno
import fcntl
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator

from tfcyclegan.errors import ExitCode, UserError

TEMPORARY = re.compile(r"\..+\.tmp-\d+(\.[a-z.]+)?")
"""Names of what is being written."""

LOCK = ".lock"
"""File of a directory that a process holds."""


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
    path: pathlib.Path,
    flag: str | None = "--output",
    suffix: str = "",
    *,
    optional: bool = False,
    mode: int | None = None,
) -> Iterator[pathlib.Path]:
    """Yields a name beside `path`; what the block puts there takes its place.

    It is on the disk by then, so that a loss of power leaves the old file or the new one. A folder
    that was there steps aside for an instant, in which a kill leaves neither. If the block raises,
    nothing of it stays, and `path` is as it was.

    Args:
        path: Of a file, or of a folder with all that is in it.
        flag: What a message calls the place; None passes an OSError on as it is.
        suffix: End of the name, where a library goes by it.
        optional: The block may put nothing there, and `path` stays. Otherwise that is an error.
        mode: Permissions of a file, which is there and empty then, and never has others.

    Raises:
        UserError: The disk is full, the place is not writable, or what was put there is gone (6).
    """
    beside = path.with_name(f".{path.name}.tmp-{os.getpid()}{suffix}")
    aside = path.with_name(f".{path.name}.tmp-{os.getpid()}.old")
    try:
        with explained(flag):
            remove(beside)
            if mode is not None:
                os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            yield beside
            if optional and not beside.exists():
                return
            for written in (*beside.rglob("*"), beside):
                sync(written)
            if beside.is_dir() and path.exists():
                os.replace(path, aside)
            try:
                os.replace(beside, path)
            except OSError:
                if aside.exists():
                    os.replace(aside, path)
                raise
            sync(path.parent)
    finally:
        for left in (beside, aside):
            with contextlib.suppress(OSError):  # it would hide the reason
                remove(left)


@contextlib.contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """Holds a directory, which is made if it does not exist, against other processes.

    Raises:
        UserError: It cannot be written (6), or another process holds it (8).
    """
    lock = _take(directory)
    try:
        yield
    finally:
        # Removed while it is still locked. A process that opened the file meanwhile gets the lock
        # of a file that is gone, and notices that in _take.
        with contextlib.suppress(OSError):
            (directory / LOCK).unlink()
        os.close(lock)


def _take(directory: pathlib.Path) -> int:
    """Returns the descriptor of the lock file; its lock ends with the process, however it ends."""
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            "--output cannot be written. Name a directory that you can write to.",
            ExitCode.NOT_WRITABLE,
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holds_lock = os.path.samestat(os.fstat(lock), os.stat(path))
    except OSError:
        holds_lock = False
    if not holds_lock:
        os.close(lock)
        raise UserError(
            "--output is in use by another process. Wait for it, or name another directory.",
            ExitCode.MISMATCH,
        )
    return lock


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
