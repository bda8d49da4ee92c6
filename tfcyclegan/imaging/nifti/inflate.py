"""The bytes of a .nii or .nii.gz: as many as are asked for, and never more than are announced."""

import zlib
from collections.abc import Iterator

from tfcyclegan.privacy.reasons import Refusal

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20
_SLACK = 16 << 20
"""Bytes that may follow the last voxel: some programs pad, a bomb does more than that."""


def head(blob: bytes, count: int) -> bytes:
    """Returns the first bytes, fewer if there are not as many."""
    if not blob.startswith(_GZIP):
        return blob[:count]
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(blob, count)
    except zlib.error as error:
        raise Refusal("decode_error") from error


def whole(blob: bytes, count: int) -> memoryview:
    """Returns the first `count` bytes, having read to the end so that the checksum was compared.

    Args:
        blob: The file.
        count: Bytes that the header announces.

    Raises:
        Refusal: truncated, decode_error (RFC 1952 checksum included), or bomb.
    """
    if not blob.startswith(_GZIP):
        if len(blob) < count:
            raise Refusal("truncated")
        return memoryview(blob)[:count]
    # Filled in place, because joining pieces would hold an image twice.
    content, size = bytearray(count), 0
    for piece in _inflated(blob):
        if size + len(piece) > count + _SLACK:
            raise Refusal("bomb")
        part = piece[: max(0, count - size)]
        content[size : size + len(part)] = part
        size += len(piece)
    if size < count:
        raise Refusal("truncated")
    return memoryview(content)


def _inflated(blob: bytes) -> Iterator[bytes]:
    """Yields pieces of every member (RFC 1952, 2.2): parallel compressors write several."""
    remaining = blob
    while remaining.startswith(_GZIP):
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            while not member.eof:
                piece = member.decompress(remaining, _PIECE)
                remaining = member.unused_data if member.eof else member.unconsumed_tail
                if not piece and not remaining and not member.eof:
                    raise Refusal("truncated")
                yield piece
        except zlib.error as error:
            raise Refusal("decode_error") from error
