"""Tells whether a PNG holds pixels and nothing else (ISO/IEC 15948)."""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS_ONLY = (b"IHDR", b"IDAT", b"IEND")
"""Chunks of a grey picture; text, time and anything else is refused."""


def problems(content: bytes) -> Iterator[str]:
    """Yields what a file holds besides the pixels of a picture, by place and never by content."""
    if not content.startswith(_SIGNATURE):
        yield "no PNG"
        return
    at, kind = len(_SIGNATURE), b""
    while at < len(content) and kind != b"IEND":
        # Length, name and checksum of a chunk, 4 bytes each.
        if len(content) - at < 12:
            yield f"cut off at byte {at}"
            return
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        if kind not in PIXELS_ONLY:
            yield f"a chunk at byte {at} that is not for pixels"
        checksum = content[at + 8 + length : at + 12 + length]
        if checksum != struct.pack(">I", zlib.crc32(content[at + 4 : at + 8 + length])):
            yield f"checksum of the chunk at byte {at}"
            return
        at += 12 + length
    if kind != b"IEND" or at != len(content):
        yield f"something other than the end of a picture at byte {min(at, len(content))}"
