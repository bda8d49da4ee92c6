"""The bytes of a tf.Example, written without TensorFlow.

The worker processes of ingestion write records, and a TensorFlow in each would cost seconds and
hundreds of megabytes.
"""

import functools
import re
import struct

import numpy as np

from tfcyclegan.data.records import ALL_FIELDS, DEMOGRAPHICS, FIELDS, SIZE, Field, whitelist

_SCANNED = {name: FIELDS[name].default for name in ("prov/synthetic", "prov/generator")}

# Tags of protocol buffers: number of the field, and that a length follows.
_FIRST, _SECOND = b"\x0a", b"\x12"
_KINDS = {"bytes": b"\x0a", "float": b"\x12", "int64": b"\x1a"}
# Protobuf's order: a name that others begin with comes last.
_ORDER = sorted(ALL_FIELDS, key="{}~".format)


def serialize(record: dict) -> bytes:
    """Encodes one slice as a serialized tf.Example, the same bytes for the same record.

    Args:
        record: Every name of `FIELDS`, and all of `DEMOGRAPHICS` or none; str or bytes, int,
            float, or a sequence of `length` of them; "image/data" is a uint16 array [SIZE, SIZE], a
            mask a bool array [SIZE, SIZE] or None. Without prov/synthetic and prov/generator it is
            of a scanner.

    Raises:
        ValueError: A feature is missing or not in the table, has another length, or is a string
            outside its closed vocabulary. The message names the feature, never its value.
    """
    record = {**_SCANNED, **record}
    fields = whitelist(demographics=not DEMOGRAPHICS.keys().isdisjoint(record))
    if record.keys() != fields.keys():
        missing = ", ".join(sorted(fields.keys() - record.keys())) or "none"
        raise ValueError(
            f"A record holds the features of the whitelist and no other. Missing: {missing}."
            f" Not allowed: {len(record.keys() - fields.keys())} feature(s)."
        )
    features = [part for name in _ORDER if name in record for part in _feature(name, record[name])]
    return b"".join(_delimited(_FIRST, features))


def _feature(name: str, value) -> list[bytes]:
    """Returns an entry of the map in Features (tensorflow/core/example/feature.proto).

    In parts, so that pixels are copied once; tf.train.Example encodes the same far more slowly.
    """
    if ALL_FIELDS[name].sizes:
        return _entry(name, [_pixels(value) if name == "image/data" else _mask(name, value)])
    return [_small(name, tuple(value) if isinstance(value, (list, np.ndarray)) else value)]


# Most features of a slice are those of the whole volume.
@functools.lru_cache(maxsize=4096)
def _small(name: str, value) -> bytes:
    field = ALL_FIELDS[name]
    values = value if isinstance(value, tuple) else (value,)
    if len(values) != field.length:
        raise ValueError(
            f"Feature {name}: expected {field.length} value(s). Received: {len(values)}."
        )
    if field.kind == "int64":
        packed = [_varint(int(v) % (1 << 64)) for v in values]
    elif field.kind == "float":
        # Minus zero becomes zero, which it equals, so that the cache cannot mix the two up.
        packed = [struct.pack(f"<{len(values)}f", *(float(v) + 0.0 for v in values))]
    else:
        packed = [_closed(name, field, v) for v in values]
    return b"".join(_entry(name, packed))


def _entry(name: str, values: list[bytes]) -> list[bytes]:
    """Returns name and value of a BytesList of one, or of a packed FloatList or Int64List."""
    kind = _delimited(_KINDS[ALL_FIELDS[name].kind], _delimited(_FIRST, values))
    key = _delimited(_FIRST, [name.encode("ascii")])
    return _delimited(_FIRST, key + _delimited(_SECOND, kind))


def _delimited(tag: bytes, parts: list[bytes]) -> list[bytes]:
    """Prepends a tag and the length, as protocol buffers begin strings and messages."""
    return [tag + _varint(sum(map(len, parts))), *parts]


def _varint(number: int) -> bytes:
    """Encodes a number of at most 64 bits, seven of them to a byte."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _pixels(image: np.ndarray) -> bytes:
    if image.shape != (SIZE, SIZE) or image.dtype != np.uint16:
        raise ValueError(f"Feature image/data: expected uint16 [{SIZE}, {SIZE}].")
    return image.astype("<u2", copy=False).tobytes()


def _mask(name: str, mask: np.ndarray | None) -> bytes:
    if mask is None:
        return b""
    if mask.shape != (SIZE, SIZE) or mask.dtype != np.bool_:
        raise ValueError(f"Feature {name}: expected bool [{SIZE}, {SIZE}] or None.")
    return np.packbits(mask).tobytes()


def _closed(name: str, field: Field, value) -> bytes:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if isinstance(field.allowed, re.Pattern):
        allowed = isinstance(text, str) and field.allowed.fullmatch(text) is not None
    else:
        allowed = text in field.allowed
    if not allowed:
        raise ValueError(
            f"Feature {name}: the value is outside the closed vocabulary of records.FIELDS and was"
            " not written."
        )
    return text.encode("ascii")
