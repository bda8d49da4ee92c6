"""ZIP archives: the directory at their end, and one member at a time (PKWARE APPNOTE 6.3.10).

The directory is read here and not by `zipfile`, which holds all of it in memory and refuses a whole
archive for one name that is no valid text.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from tfcyclegan.imaging.source.members import MOST_MEMBERS, Listed, Member, expands_too_far
from tfcyclegan.privacy.reasons import Refusal

_ENTRY = struct.Struct("<4s6H3L5H2L")
"""Central directory header (APPNOTE 4.3.12)."""
_LOCAL = struct.Struct("<4s5H3L2H")
"""Local file header (4.3.7)."""
_END = struct.Struct("<4s4H2LH")
"""End of central directory (4.3.16)."""
_END64 = struct.Struct("<4sQ2H2L4Q")
"""Zip64 end of central directory (4.3.14); its locator is 20 bytes and stands between the two."""
_LOCATOR_BYTES = 20
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 1
_MAX32 = 0xFFFFFFFF
_BLOCK = 1 << 16


def entries(file: BinaryIO) -> Iterator[Listed]:
    """Yields the files of an archive in the order of its directory; folders are not listed.

    Raises:
        Refusal: archive_error, or bomb for an archive whose members expand, or overlap, too far.
    """
    start, count, shift = _directory(file)
    if count > MOST_MEMBERS:
        raise Refusal("bomb")
    file.seek(start)
    total, length = 0, os.fstat(file.fileno()).st_size
    for _ in range(count):
        listed = _entry(file, shift)
        total += listed.member.size if listed.member else 0
        if expands_too_far(total, length):
            raise Refusal("bomb")
        if not listed.name.endswith(b"/"):
            yield listed


def _directory(file: BinaryIO) -> tuple[int, int, int]:
    """Returns offset and entries of the directory, and what to add to its offsets.

    Something may stand before the archive, such as a program that unpacks it.
    """
    length = file.seek(0, os.SEEK_END)
    # A comment of up to 0xFFFF bytes may follow the end of the directory.
    tail_at = max(0, length - _END.size - 0xFFFF)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise Refusal("archive_error")
    *_, count, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_at + at
    # The largest values mean that the numbers need more bits, and stand in the Zip64 record.
    if count == 0xFFFF or _MAX32 in (size, offset):
        end -= _LOCATOR_BYTES + _END64.size
        file.seek(max(0, end))
        fields = _END64.unpack(file.read(_END64.size))
        if fields[0] != b"PK\6\6":
            raise Refusal("archive_error")
        count, size, offset = fields[-3:]
    shift = end - size - offset
    if shift < 0:
        raise Refusal("archive_error")
    return offset + shift, count, shift


def _entry(file: BinaryIO, shift: int) -> Listed:
    fields = _ENTRY.unpack(file.read(_ENTRY.size))
    signature, _, _, flags, method, _, _, crc, packed, size, *tail_fields = fields
    name_length, extra_length, comment_length, _, _, attributes, offset = tail_fields
    if signature != b"PK\1\2":
        raise Refusal("archive_error")
    name = file.read(name_length)
    size, packed, offset = _wide(file.read(extra_length), size, packed, offset)
    file.read(comment_length)
    # The upper half is the mode where a Unix made the archive, and zero elsewhere.
    if stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Listed(name, None, "unsafe_member")
    if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
        return Listed(name, None, "archive_error")
    if expands_too_far(size, packed):
        return Listed(name, None, "bomb")
    return Listed(name, Member("zip", offset + shift, size, packed, method == _DEFLATED, crc))


def _wide(extra: bytes, *numbers: int) -> list[int]:
    """Returns the numbers with those that need 64 bits taken from the extra field (4.5.3)."""
    wide = iter(())
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1:
            wide = struct.iter_unpack("<Q", extra[4 : 4 + length // 8 * 8])
        extra = extra[4 + length :]
    return [next(wide, (number,))[0] if number == _MAX32 else number for number in numbers]


class Part:
    """One member as a stream; ends where the directory says that it does.

    Args:
        file: The archive.
        member: Of `entries`.

    Raises:
        Refusal: archive_error, here and from `read`, for a member that is not what it should be.
    """

    def __init__(self, file: BinaryIO, member: Member):
        file.seek(member.offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
            raise Refusal("archive_error")
        name_length, extra_length = _LOCAL.unpack(header)[-2:]
        file.seek(name_length + extra_length, os.SEEK_CUR)
        self._file, self._expected = file, member.crc
        self._left, self._packed, self._crc = member.size, member.packed, 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if member.deflated else None

    def read(self, count: int = -1) -> bytes:
        """Returns the next bytes, all that are left by default."""
        remaining = self._left if count < 0 else min(count, self._left)
        parts = []
        while remaining:
            part = self._some(remaining)
            if not part:
                raise Refusal("archive_error")
            parts.append(part)
            remaining, self._left = remaining - len(part), self._left - len(part)
            self._crc = zlib.crc32(part, self._crc)
        if not self._left and self._crc != self._expected:
            raise Refusal("archive_error")
        return b"".join(parts)

    def _some(self, count: int) -> bytes:
        if self._inflater is None:
            return self._packed_bytes(count)
        part = b""
        while not part:
            source = self._inflater.unconsumed_tail or self._packed_bytes(_BLOCK)
            if not source or self._inflater.eof:
                break
            try:
                part = self._inflater.decompress(source, count)
            except zlib.error as error:
                raise Refusal("archive_error") from error
        return part

    def _packed_bytes(self, count: int) -> bytes:
        block = self._file.read(min(count, self._packed))
        self._packed -= len(block)
        return block
