"""Where inputs come from: a sorted walk over files that opens nothing it should not."""

import dataclasses
import os
import stat
import struct
from collections.abc import Iterable, Iterator

from tfcyclegan.privacy.reasons import Refusal

PREAMBLE = 132
"""128 free bytes and the prefix DICM (PS3.10, 7.1)."""
LARGEST = 2 << 30
"""Largest file that is read, in bytes."""


@dataclasses.dataclass(frozen=True, repr=False, slots=True)
class InputObject:
    """One file of the input; its paths serve to open it and to key it, and are never shown.

    Attributes:
        path: To open.
        relative: From the input's root, so that a moved archive keeps its keys.
        refused: Code of privacy.reasons if it must not be opened, or empty.
    """

    path: bytes
    relative: bytes
    refused: str = ""

    def __repr__(self) -> str:
        return "InputObject(path not shown)"

    def size(self) -> int:
        """Returns the size in bytes; 0 where it cannot be told or is not opened."""
        try:
            return 0 if self.refused else os.stat(self.path).st_size
        except OSError:
            return 0

    def stamp(self) -> bytes:
        """Returns bytes that change when the file is written to; empty if it cannot be told."""
        try:
            status = os.stat(self.path)
        except OSError:
            return b""
        facts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return struct.pack("<4Q", *facts)

    def read(self) -> bytes:
        """Returns the whole file if it starts like DICOM; of anything else only 132 bytes are read.

        Raises:
            Refusal: It must not be opened, cannot be read, is not DICOM, or is too large.
        """
        if self.refused:
            raise Refusal(self.refused)
        try:
            # Unbuffered, so that the bytes are copied once.
            with open(self.path, "rb", buffering=0) as file:
                head = file.read(PREAMBLE)
                if not starts_like_dicom(head):
                    raise Refusal("not_dicom")
                if os.fstat(file.fileno()).st_size > LARGEST:
                    raise Refusal("too_large")
                file.seek(0)
                return file.read()
        except OSError as error:
            raise Refusal("io_error") from error


def starts_like_dicom(head: bytes) -> bool:
    """Tells whether the first 132 bytes end in the DICOM prefix."""
    return len(head) >= PREAMBLE and head[128:PREAMBLE] == b"DICM"


def walk(roots: Iterable[str]) -> Iterator[InputObject]:
    """Yields every file of files and directories, in the order of their names.

    Symbolic links are never followed, and FIFOs, sockets and devices never opened; both are yielded
    as refused, because every object is accounted for. A file that two roots share is read once.

    Args:
        roots: Paths that exist; a root itself may be a symbolic link.
    """
    seen: set[tuple[int, int]] = set()
    for root in roots:
        path = os.path.realpath(os.fsencode(root))
        base = path if os.path.isdir(path) else os.path.dirname(path)
        for found in _files(path):
            relative = os.path.relpath(found, base)
            yield InputObject(found, relative, _objection(found, seen))


def _objection(path: bytes, seen: set[tuple[int, int]]) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return "io_error"
    if stat.S_ISLNK(status.st_mode):
        return "symlink"
    if stat.S_ISDIR(status.st_mode):
        return "io_error"  # only a directory that cannot be listed is yielded itself
    if not stat.S_ISREG(status.st_mode):
        return "not_regular"
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return "repeated_input"
    seen.add(identity)
    return ""


def _files(path: bytes) -> Iterator[bytes]:
    """Yields the files below `path`, depth first; a stack instead of recursion bears any depth."""
    stack = [path]
    while stack:
        current = stack.pop()
        if os.path.islink(current) or not os.path.isdir(current):
            yield current
            continue
        try:
            names = sorted(os.listdir(current), reverse=True)
        except OSError:
            yield current
            continue
        stack.extend(os.path.join(current, name) for name in names)
