"""Typed access to the elements of a data set, straight from their raw bytes.

pydicom converts leniently and quotes what it cannot convert; here a value is a number, a token or
raw bytes, or it is absent or refused. A frame of a multi-frame image looks into several data sets:
its functional groups first, then the shared ones, then the top level.
"""

import functools
import math
import struct
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from tfcyclegan.privacy.reasons import Refusal

Layers = Sequence[Dataset]
"""Data sets to look into, the most specific first."""

_BINARY = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}


@functools.cache
def _tag(keyword: str) -> BaseTag:
    """Returns the tag in pydicom's own type; to make it anew would be a third of each look-up."""
    return Tag(keyword)


def has(layers: Layers, keyword: str) -> bool:
    """Tells whether an element is present, with or without a value."""
    tag = _tag(keyword)
    return any(tag in dataset for dataset in layers)


def raw(layers: Layers, keyword: str) -> tuple[bytes, str, bool]:
    """Returns (value, VR, little endian) of the first data set that has the element.

    The value keeps its padding; an absent or empty element is b"".
    """
    tag = _tag(keyword)
    for dataset in layers:
        if tag in dataset:
            element = dataset.get_item(tag)
            if isinstance(element, RawDataElement):
                vr = element.VR if element.VR not in (None, "UN") else dictionary_VR(tag)
                return bytes(element.value or b""), vr, element.is_little_endian
            return _encoded(element.value), "LO", True
    return b"", "LO", True


def _encoded(value) -> bytes:
    """Converted elements occur where pydicom itself needed the value, as of character sets."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return b"\\".join(str(v).encode("utf-8") for v in values if v is not None)


def tokens(layers: Layers, keyword: str) -> tuple[str, ...]:
    """Returns the values of a code string in upper case; for comparing, never for writing."""
    text = raw(layers, keyword)[0].rstrip(b"\0 ").decode("latin-1").upper()
    return tuple(part.strip() for part in text.split("\\")) if text else ()


def numbers(layers: Layers, keyword: str) -> tuple[float, ...]:
    """Returns the values of a numeric element; empty if it is absent or empty.

    Raises:
        Refusal: bad_type, if a value is no number.
    """
    value, vr, little = raw(layers, keyword)
    try:
        if vr in _BINARY:
            code = _BINARY[vr]
            count = len(value) // struct.calcsize(f"={code}")
            return struct.unpack(f"{'<' if little else '>'}{count}{code}", value)
        text = value.decode("ascii").rstrip("\0 ")
        if "_" in text:  # Python's own notation, not DICOM's
            raise ValueError
        return tuple(float(part) for part in text.split("\\")) if text else ()
    except (ValueError, struct.error) as error:
        raise Refusal("bad_type") from error


def number(layers: Layers, keyword: str) -> float:
    """Returns the first value of a describing element; NaN if it is absent or no number."""
    try:
        values = numbers(layers, keyword)
    except Refusal:
        return math.nan
    return values[0] if values and math.isfinite(values[0]) else math.nan


def integer(layers: Layers, keyword: str, default: int | None = None) -> int | None:
    """Returns the only value of an element that images cannot do without.

    Raises:
        Refusal: bad_type, if it is not one whole number.
    """
    values = numbers(layers, keyword)
    if not values:
        return default
    if len(values) != 1 or not math.isfinite(values[0]) or values[0] != int(values[0]):
        raise Refusal("bad_type")
    return int(values[0])
