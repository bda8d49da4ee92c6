"""From the bytes of a file to a data set, within bounds: transfer syntax, deflate, depth, end.

The file meta information is parsed here and not by pydicom, because the transfer syntax must be
known before a deflated data set is inflated, and pydicom inflates without a limit.
"""

import dataclasses
import io
import re
import struct
import zlib

import pydicom
from pydicom import filereader, uid
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError

from tfcyclegan.imaging.source import walk
from tfcyclegan.privacy.reasons import Refusal

INFLATED = 256 << 20
"""Largest deflated data set after inflating, in bytes."""

_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT"}
_UNDEFINED = 0xFFFFFFFF
_PIXEL_TAGS = {0x7FE00010, 0x7FE00008, 0x7FE00009}
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_LONG_HEADER = 12
_DEEPEST = 64
"""Deepest nesting of sequences; functional groups need three or four."""
_ITEM_OR_END = re.compile(rb"\xfe\xff(?:(\x00\xe0)(.{4})|\x0d\xe0)", re.DOTALL)
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_TRANSFER_SYNTAX = (0x0002, 0x0010)


@dataclasses.dataclass(frozen=True, repr=False)
class Parsed:
    """A data set and what is known of its encoding.

    Attributes:
        dataset: pydicom data set.
        transfer_syntax: Of the pixel data; a deflated data set counts as what it inflates to.
        blob: The bytes `dataset` was parsed from.
        pixels_at: Offset of the pixel data element in `blob`; its length if there is none.
        deflated: Whether `blob` is not the file but what it inflates to.
    """

    dataset: pydicom.Dataset
    transfer_syntax: uid.UID
    blob: bytes
    pixels_at: int
    deflated: bool = False

    def __repr__(self) -> str:
        return "Parsed(not shown)"


def parse(blob: bytes, *, pixels: bool) -> Parsed:
    """Parses a DICOM file (PS3.10) held in memory.

    Args:
        blob: The whole file, preamble included.
        pixels: Whether to go on past the start of the pixel data.

    Raises:
        Refusal: no_dataset, no_meta, bomb, truncated, nesting or parse_error.
    """
    syntax, start = _meta(blob)
    if start >= len(blob):
        raise Refusal("no_dataset")
    deflated = syntax == uid.DeflatedExplicitVRLittleEndian
    if deflated:
        blob = _inflated(blob, start)
        syntax, start = _meta(blob)
    stream = io.BytesIO(blob)
    try:
        dataset = pydicom.dcmread(stream) if pixels else _header(stream, syntax, start)
    except (EOFError, struct.error) as error:
        raise Refusal(_early_end(blob)) from error
    except RecursionError as error:
        raise Refusal("nesting") from error
    except (InvalidDicomError, ValueError, KeyError, TypeError) as error:
        raise Refusal("parse_error") from error
    parsed = Parsed(dataset, syntax, blob, len(blob) if pixels else stream.tell(), deflated)
    if not pixels:
        _check_end(parsed)
        _check_nesting(blob[: parsed.pixels_at])
    return parsed


def _header(stream: io.BytesIO, syntax: uid.UID, start: int) -> pydicom.Dataset:
    """Parses a data set up to the pixels; dcmread would parse the meta information once more."""
    stream.seek(start)
    return filereader.read_dataset(
        stream,
        is_implicit_VR=syntax == uid.ImplicitVRLittleEndian,
        is_little_endian=syntax != uid.ExplicitVRBigEndian,
        stop_when=lambda tag, vr, length: tag in _PIXEL_TAGS,
    )


def _meta(blob: bytes) -> tuple[uid.UID, int]:
    """Returns the transfer syntax and the offset where the data set starts (PS3.10, 7.1)."""
    if not walk.starts_like_dicom(blob[: walk.PREAMBLE]):
        raise Refusal("not_dicom")
    offset, syntax = walk.PREAMBLE, ""
    while offset + 8 <= len(blob):
        group, element, vr, short = struct.unpack_from("<HH2sH", blob, offset)
        if group != 2:
            break
        header, length = 8, short
        if vr in _LONG_VRS:
            if offset + 12 > len(blob):
                raise Refusal("truncated")
            header, length = 12, struct.unpack_from("<L", blob, offset + 8)[0]
        value = blob[offset + header : offset + header + length]
        if (group, element) == _TRANSFER_SYNTAX:
            syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
        offset += header + length
    if not syntax:
        raise Refusal("no_dataset" if len(blob) <= walk.PREAMBLE else "no_meta")
    return uid.UID(syntax), offset


def _inflated(blob: bytes, start: int) -> bytes:
    """Returns the file with its data set inflated (PS3.5, A.5) and its meta information rewritten.

    The new meta information names Explicit VR Little Endian, which is what was deflated.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        dataset = inflater.decompress(blob[start:], INFLATED)
    except zlib.error as error:
        raise Refusal("parse_error") from error
    if inflater.unconsumed_tail:
        raise Refusal("bomb")
    if not inflater.eof:
        raise Refusal("truncated")
    syntax = uid.ExplicitVRLittleEndian.encode("ascii") + b"\0"
    element = struct.pack("<HH2sH", *_TRANSFER_SYNTAX, b"UI", len(syntax)) + syntax
    length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(element))
    return bytes(128) + b"DICM" + length + element + dataset


def pixel_element(blob: bytes, at: int, transfer_syntax: str) -> tuple[int, int]:
    """Returns the declared length of the pixel data and the bytes that follow its header.

    Args:
        blob: The file.
        at: Offset of the pixel data element.
        transfer_syntax: UID.

    Raises:
        Refusal: no_pixels.
    """
    if at + 8 > len(blob):
        raise Refusal("no_pixels")
    little = transfer_syntax != uid.ExplicitVRBigEndian
    order = "<" if little else ">"
    group, element = struct.unpack_from(f"{order}HH", blob, at)
    if (group << 16 | element) not in _PIXEL_TAGS:
        raise Refusal("no_pixels")
    long_form = blob[at + 4 : at + 6] in _LONG_VRS
    header = 12 if long_form else 8
    if at + header > len(blob):
        raise Refusal("truncated")
    length = struct.unpack_from(f"{order}L", blob, at + header - 4)[0]
    return length, len(blob) - at - header


def fragments(parsed: Parsed) -> tuple[int, int]:
    """Returns the number of fragments of encapsulated pixels (PS3.5, A.4), and where they end.

    Raises:
        Refusal: truncated if the file ends before they do, parse_error if they are no items.
    """
    _, available = pixel_element(parsed.blob, parsed.pixels_at, parsed.transfer_syntax)
    blob, at, count = parsed.blob, len(parsed.blob) - available, -1  # the first item is a table
    while at + 8 <= len(blob):
        mark, length = blob[at : at + 4], struct.unpack_from("<L", blob, at + 4)[0]
        at += 8
        if mark == _END:
            return count, at
        if mark != _ITEM or length == _UNDEFINED:
            raise Refusal("parse_error")
        count, at = count + 1, at + length
    raise Refusal("truncated")


def _check_end(parsed: Parsed) -> None:
    """Refuses bytes that end within an element, which pydicom passes over without a word."""
    if parsed.pixels_at < len(parsed.blob):
        return
    last_element = max(parsed.dataset.values(), key=_starts_at, default=None)
    if last_element is None:
        raise Refusal("truncated")
    if not isinstance(last_element, RawDataElement) or last_element.length == _UNDEFINED:
        return
    end = last_element.value_tell + last_element.length
    if end > len(parsed.blob) + walk.LARGEST:
        raise Refusal("parse_error")
    if end != len(parsed.blob):
        raise Refusal(_early_end(parsed.blob))


def _starts_at(element) -> int:
    return element.value_tell if isinstance(element, RawDataElement) else element.file_tell or 0


def _early_end(blob: bytes) -> str:
    """Tells a cut file from a false length, which has run past the start of the pixels."""
    return "parse_error" if _PIXEL_DATA in blob[:-_LONG_HEADER] else "truncated"


def _check_nesting(header: bytes) -> None:
    """Refuses sequences that are nested too deep for whoever parses them later, recursively."""
    if header.count(_ITEM) <= _DEEPEST:
        return
    ends: list[int] = []
    for match in _ITEM_OR_END.finditer(header):
        while ends and ends[-1] <= match.start():
            ends.pop()
        if match[1]:
            length = int.from_bytes(match[2], "little")
            ends.append(len(header) if length == _UNDEFINED else match.end() + length)
        elif ends:
            ends.pop()
        if len(ends) > _DEEPEST:
            raise Refusal("nesting")
