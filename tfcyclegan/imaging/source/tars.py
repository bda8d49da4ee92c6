"""Tar archives, plain or gzipped: where each regular file lies (POSIX.1-2001, pax; GNU tar)."""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from tfcyclegan.imaging.source.members import MOST_MEMBERS, Listed, Member
from tfcyclegan.privacy.reasons import Refusal

LARGEST_HEADER = 1 << 20
"""Bytes of one extended header, which `tarfile` reads as a whole."""


class _Bounded:
    """A stream for `tarfile`, which reads headers only and skips what lies between them."""

    def __init__(self, stream: BinaryIO):
        self._stream, self.tell, self.seek = stream, stream.tell, stream.seek

    def read(self, count: int) -> bytes:
        if count > LARGEST_HEADER:
            raise Refusal("archive_error")
        return self._stream.read(count)


def entries(stream: BinaryIO, kind: str) -> Iterator[Listed]:
    """Yields the entries in their order; folders are not listed.

    Args:
        stream: The archive, unpacked if it is gzipped; `read`, `seek` and `tell` are enough.
        kind: "tar" or "tgz".

    Raises:
        Refusal: archive_error where the archive is damaged or cut; entries before that are good.
    """
    archive = tarfile.open(fileobj=_Bounded(stream), mode="r:", encoding="utf-8")  # noqa: SIM115
    for count, info in enumerate(archive):
        if count >= MOST_MEMBERS:
            raise Refusal("bomb")
        # Otherwise it remembers all of them.
        archive.members = []
        name = info.name.encode("utf-8", "surrogateescape")
        if info.isreg() and not info.issparse():
            yield Listed(name, Member(kind, info.offset_data, info.size))
        elif not info.isdir():
            yield Listed(name, None, "unsafe_member")
    # A damaged header ends the iteration without a word; an archive ends in a block of zeros.
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise Refusal("archive_error")


class Part:
    """One member as a stream; `read` raises Refusal archive_error where the archive was cut."""

    def __init__(self, stream: BinaryIO, member: Member):
        self._stream, self._at, self._left = stream, member.offset, member.size

    def read(self, count: int = -1) -> bytes:
        """Returns the next bytes, all that are left by default."""
        length = self._left if count < 0 else min(count, self._left)
        self._stream.seek(self._at)
        part = self._stream.read(length)
        if len(part) < length:
            raise Refusal("archive_error")
        self._at, self._left = self._at + length, self._left - length
        return part
