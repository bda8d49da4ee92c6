"""Where inputs come from: a sorted walk over files that opens nothing it should not."""

import contextlib
import dataclasses
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, ClassVar

from tfcyclegan.imaging.source import archives, bare_dicom
from tfcyclegan.imaging.source.members import Member
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
        member: Where it lies in the archive `path`, or None for a file of its own.
        force: Whether it is read although preamble or meta information is missing.
        label: What messages may call it, or empty.
        companions: Places of objects that are converted with it; DICOM has none.
    """

    path: bytes
    relative: bytes
    refused: str = ""
    member: Member | None = None
    force: bool = False
    label: ClassVar[str] = ""
    companions: ClassVar[tuple[int, ...]] = ()

    def __repr__(self) -> str:
        return "InputObject(path not shown)"

    def size(self) -> int:
        """Returns the size in bytes; 0 where it is not known or the file is not opened."""
        try:
            if self.refused:
                return 0
            return self.member.size if self.member else os.stat(self.path).st_size
        except OSError:
            return 0

    def stamp(self) -> bytes:
        """Returns bytes that change when the file is written to; empty if that is not known."""
        try:
            status = os.stat(self.path)
        except OSError:
            return b""
        facts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return struct.pack("<4Q", *facts)

    def read(self) -> bytes:
        """Returns the whole file if it starts like DICOM; of anything else only 132 bytes are read.

        Raises:
            Refusal: It must not be opened, cannot be read, is not DICOM, is an archive within an
                archive, or is too large.
        """
        if self.refused:
            raise Refusal(self.refused)
        try:
            with self._opened() as file:
                head = file.read(PREAMBLE)
                bare_syntax = None if starts_like_dicom(head) else bare_dicom.syntax_of(head)
                if bare_syntax and not self.force:
                    raise Refusal("no_meta")
                if not bare_syntax and not starts_like_dicom(head):
                    nested = self.member and archives.kind_of(head + file.read(archives.HEAD))
                    raise Refusal("nested_archive" if nested else "not_dicom")
                if self.size() > LARGEST:
                    raise Refusal("too_large")
                if self.member is None:
                    # From the start again, because joining two parts would copy both.
                    file.seek(0)
                    head = b""
                blob = head + file.read()
                return bare_dicom.completed(blob) if self.force else blob
        except OSError as error:
            raise Refusal("io_error") from error

    def _opened(self) -> contextlib.AbstractContextManager[BinaryIO]:
        if self.member is None:
            return open(self.path, "rb", buffering=0)
        return archives.opened(self.path, self.member)


def starts_like_dicom(head: bytes) -> bool:
    """Tells whether the first 132 bytes end in the DICOM prefix."""
    return len(head) >= PREAMBLE and head[128:PREAMBLE] == b"DICM"


def walk(roots: Iterable[str]) -> Iterator[InputObject]:
    """Yields every file of files and directories, in the order of their names.

    Symbolic links are never followed, and FIFOs, sockets and devices never opened; both are yielded
    as refused, because every object is accounted for. A file that two roots share is read once. Of
    an archive (zip, tar, gzipped tar) the members are yielded instead, in their order.

    Args:
        roots: Paths that exist; a root itself may be a symbolic link. `@FILE` stands for the paths
            that FILE lists, one a line or NUL-terminated, and `@-` for those of the standard input;
            what is listed and missing is yielded as refused.

    Raises:
        OSError: A list cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    for root in map(os.fspath, roots):
        for path, name in _listed(root[1:]) if root.startswith("@") else [_named(root)]:
            real = os.path.realpath(path)
            for file_path in _files(real):
                relative = os.path.normpath(os.path.join(name, os.path.relpath(file_path, real)))
                yield from _objects(file_path, relative, _objection(file_path, seen))


def _named(root: str) -> tuple[bytes, bytes]:
    """Returns a root's path and what its files' relative paths start with: a file's own name."""
    path = os.fsencode(root)
    return path, b"" if os.path.isdir(path) else os.path.basename(os.path.realpath(path))


def _listed(name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yields the paths of a list; as keys they count whole, for file names repeat."""
    with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:
        text = file.read()
    # A path may hold a line feed, but not a NUL, which `find -print0` therefore ends it with.
    for line in text.split(b"\0" if b"\0" in text else b"\n"):
        if path := line.rstrip(b"\r\n"):
            yield path, path


def _objects(path: bytes, relative: bytes, refused: str) -> Iterator[InputObject]:
    """Yields the members of an archive, or else the file itself."""
    kind = "" if refused else _archive_kind(path)
    if not kind:
        yield InputObject(path, relative, refused)
        return
    for listed in archives.members(path, kind):
        name = relative + b"\0" + listed.name if listed.name else relative
        yield InputObject(path, name, listed.refused, listed.member)


def _archive_kind(path: bytes) -> str:
    try:
        with open(path, "rb") as file:
            head = file.read(archives.HEAD)
    except OSError:
        return ""
    return "" if starts_like_dicom(head[:PREAMBLE]) else archives.kind_of(head)


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
