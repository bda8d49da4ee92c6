"""A gzip file (RFC 1952) as a stream that can be sought in, without unpacking it anywhere.

Gzip has no index, so one is made while reading: copies of the inflater's state, every few MiB. A
member in the middle of a large `.tgz` then costs the way from the copy before it, not from the
start of the file.
"""

import bisect
import functools
import os
import zlib
from typing import BinaryIO

from tfcyclegan.imaging.source.members import expands_too_far
from tfcyclegan.privacy.reasons import Refusal

MARK_EVERY = 8 << 20
"""Unpacked bytes between two copies of the state; a copy takes about 40 KiB."""
_BLOCK = 1 << 14
"""Packed bytes that are inflated at a time: at most 16 MiB unpacked."""


def _inflater():
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


class Gunzipped:
    """The unpacked bytes of a gzip file; reads and seeks like a file.

    Args:
        file: The packed file, which this object takes over.

    Raises:
        Refusal: From `read`: archive_error if the file is damaged or cut, bomb if it expands more
            than members.LARGEST_RATIO.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._length = os.fstat(file.fileno()).st_size
        # Unpacked offset, packed offset, state of the inflater, whether it is within a member.
        self._marks = [(0, 0, _inflater(), False)]
        self._at = 0
        self._restore(0)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to an offset from the start or from here."""
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def read(self, count: int) -> bytes:
        """Returns up to `count` bytes, fewer only at the end."""
        parts = []
        while count > 0 and self._reach():
            offset = self._at - self._start
            part = self._block[offset : offset + count]
            parts.append(part)
            self._at, count = self._at + len(part), count - len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()

    def _reach(self) -> bool:
        """Inflates until the block at hand holds the position; False at the end."""
        nearest = self._marks[self._mark_before(self._at)][0]
        if self._at < self._start or nearest > self._start + len(self._block):
            self._restore(self._at)
        while self._at >= self._start + len(self._block):
            if not self._next_block():
                return False
        return True

    def _mark_before(self, offset: int) -> int:
        return bisect.bisect_right([mark[0] for mark in self._marks], offset) - 1

    def _restore(self, offset: int) -> None:
        mark = self._marks[self._mark_before(offset)]
        self._start, self._packed_at, state, self._within = mark
        self._state, self._block = state.copy(), b""

    def _next_block(self) -> bool:
        self._file.seek(self._packed_at)
        packed = self._file.read(_BLOCK)
        if not packed and self._within:
            raise Refusal("archive_error")
        self._packed_at += len(packed)
        self._start, self._block = self._start + len(self._block), self._inflated(packed)
        end = self._start + len(self._block)
        if expands_too_far(end, self._length):
            raise Refusal("bomb")
        if end >= self._marks[-1][0] + MARK_EVERY:
            self._marks.append((end, self._packed_at, self._state.copy(), self._within))
        return bool(packed)

    def _inflated(self, packed: bytes) -> bytes:
        """A gzip file may hold several members in a row (RFC 1952, 2.2), and zeros after them."""
        parts = []
        while packed:
            if not self._within:
                packed = packed.lstrip(b"\0")
            if packed:
                self._within = True
                try:
                    parts.append(self._state.decompress(packed))
                except zlib.error as error:
                    raise Refusal("archive_error") from error
            packed = b""
            if self._state.eof:
                packed, self._state, self._within = self._state.unused_data, _inflater(), False
        return b"".join(parts)


@functools.lru_cache(maxsize=8)
def shared(path: bytes, size: int, modified_ns: int) -> Gunzipped:
    """Returns the stream of a file that this process keeps open, so that its index is made once.

    Args:
        path: To open.
        size: Of the file now, in bytes.
        modified_ns: Its modification time now: a file that changed is opened anew.
    """
    del size, modified_ns
    return Gunzipped(open(path, "rb"))
