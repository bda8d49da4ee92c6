"""Archives as inputs: recognised by their content, listed, and read one member at a time."""

import contextlib
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from tfcyclegan.imaging.source import gunzip, tars, zips
from tfcyclegan.imaging.source.members import Listed, Member
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault

HEAD = 512
"""Bytes that tell what a file is: the first header of a tar archive is the longest."""
_ZIP, _GZIP = (b"PK\3\4", b"PK\5\6"), b"\x1f\x8b\x08"
_USTAR = slice(257, 262)


def kind_of(head: bytes) -> str:
    """Returns "zip", "tar" or "tgz" by the first `HEAD` bytes of a file, or an empty string."""
    if head.startswith(_ZIP):
        return "zip"
    if head[_USTAR] == b"ustar":
        return "tar"
    if head.startswith(_GZIP):
        try:
            unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, HEAD)
        except zlib.error:
            return "tgz"  # broken from its start, which listing says
        return "tgz" if unpacked[_USTAR] == b"ustar" else ""
    return ""


def members(path: bytes, kind: str) -> Iterator[Listed]:
    """Yields the members of an archive, and the archive itself, without a name, if it is damaged.

    Args:
        path: Of the archive.
        kind: Of `kind_of`.
    """
    opened = hygiene.isolated(open, path, "rb", reason="io_error")
    if isinstance(opened, Fault):
        yield Listed(b"", None, opened.reason)
        return
    with opened as file:
        if kind == "zip":
            entries = zips.entries(file)
        else:
            stream = gunzip.Gunzipped(file) if kind == "tgz" else file
            # Opening reads the first header, so it waits until the first entry is asked for.
            entries = tars.entries(stream, kind)
        while True:
            # Archives are made by unknown programs, like everything else that comes in.
            listed = hygiene.isolated(next, entries, None, reason="archive_error")
            if isinstance(listed, Fault):
                yield Listed(b"", None, listed.reason)
                return
            if listed is None:
                return
            yield listed


@contextlib.contextmanager
def opened(path: bytes, member: Member) -> Iterator[BinaryIO]:
    """Opens a member for `read`.

    Raises:
        OSError: The archive cannot be opened.
        Refusal: archive_error, here and from `read`, for a damaged member.
    """
    if member.kind == "tgz":
        status = os.stat(path)
        yield tars.Part(gunzip.shared(path, status.st_size, status.st_mtime_ns), member)
        return
    with open(path, "rb") as file:
        yield (zips if member.kind == "zip" else tars).Part(file, member)
