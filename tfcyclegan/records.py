"""The tf.Example contract between ingestion and training: field table, serialize, parse.

The table is a whitelist. `serialize` refuses a feature that is not in it and a byte string outside
its closed vocabulary, so no text of an input can reach a shard whatever a caller does.

TensorFlow is imported where it is used: the worker processes of ingestion read this table too, and
a TensorFlow in each would cost seconds and hundreds of megabytes.
"""

import dataclasses
import functools
import re
import struct

import numpy as np

SCHEMA_VERSION = 1
SIZE = 256
"""Height and width of every stored slice, in pixels."""

_PIXEL_BYTES = 2 * SIZE * SIZE
_MASK_BYTES = SIZE * SIZE // 8

MASKS = ("lesion", "brain", "ventricle")
SEQUENCES = ("t2", "flair", "t1", "t1_flair", "pd", "stir", "dwi", "t2_star", "other")
PLANES = ("axial", "coronal", "sagittal", "oblique")
SPLITS = ("train", "val", "test")
SEXES = ("female", "male", "other", "unknown")
AGE_BINS = (
    *("00-04", "05-09", "10-14", "15-19", "20-24", "25-29", "30-34", "35-39", "40-44", "45-49"),
    *("50-54", "55-59", "60-64", "65-69", "70-74", "75-79", "80-84", "85-89", "90-up", "unknown"),
)
"""Years, both ends included; ages of 90 and more are few enough to name a person."""
MANUFACTURERS = ("siemens", "ge", "philips", "canon", "uih", "hitachi", "other")

NO_GENERATOR = b"0" * 32
"""Stands for the scanner, where a network would be named."""

HEX32 = re.compile(r"[0-9a-f]{32}")
HEX8 = re.compile(r"[0-9a-f]{8}")
VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}")


@dataclasses.dataclass(frozen=True)
class Field:
    """One feature: its tf.Example kind, its length, and for bytes what they may be.

    Attributes:
        kind: "bytes", "int64" or "float".
        length: Number of values.
        allowed: The closed set of a string's values.
        sizes: The lengths in bytes that an array of pixels may have.
        default: What a record that lacks the feature means, because it was written before there
            was one; None where no record may lack it.
    """

    kind: str
    length: int = 1
    allowed: tuple[str, ...] | re.Pattern | None = None
    sizes: tuple[int, ...] = ()
    default: int | bytes | None = None


FIELDS = {
    # Pixels: uint16 little endian, SIZE x SIZE, rows A->P and columns R->L for an axial slice.
    "image/data": Field("bytes", sizes=(_PIXEL_BYTES,)),
    "image/height": Field("int64"),
    "image/width": Field("int64"),
    "image/channels": Field("int64"),
    "image/bits": Field("int64"),
    "image/content_box": Field("int64", 4),  # y0, x0, height, width of the non-padded area
    "image/scale_lo": Field("float"),  # scanner units at stored 0
    "image/scale_hi": Field("float"),  # scanner units at stored 65535
    # One bit per pixel of image/data, row by row, most significant bit first; empty if there is no
    # mask. Of one length, so that nothing can hide in it, and read without a decoder.
    "mask/lesion": Field("bytes", sizes=(0, _MASK_BYTES), default=b""),
    "mask/brain": Field("bytes", sizes=(0, _MASK_BYTES), default=b""),
    "mask/ventricle": Field("bytes", sizes=(0, _MASK_BYTES), default=b""),
    "series/class": Field("bytes", allowed=SEQUENCES),
    "series/class_source": Field("bytes", allowed=("rule", "mapping")),
    "series/class_confidence": Field("float"),
    # Acquisition, rounded to 3 significant digits; NaN where the header has no value.
    "mr/te_ms": Field("float"),
    "mr/tr_ms": Field("float"),
    "mr/ti_ms": Field("float"),
    "mr/flip_deg": Field("float"),
    "mr/etl": Field("float"),
    "mr/field_t": Field("float"),
    "mr/manufacturer": Field("bytes", allowed=MANUFACTURERS),
    "mr/acq_dim": Field("bytes", allowed=("2d", "3d", "unknown")),
    "mr/contrast": Field("bytes", allowed=("yes", "no", "unknown")),
    "mr/plane": Field("bytes", allowed=PLANES),
    "geom/src_spacing_mm": Field("float", 2),  # row spacing (y), column spacing (x)
    "geom/out_spacing_mm": Field("float"),
    "geom/slice_thickness_mm": Field("float"),
    "geom/slice_spacing_mm": Field("float"),
    "geom/slice_index": Field("int64"),
    "geom/slice_count": Field("int64"),
    "geom/slice_pos_mm": Field("float"),  # along the normal, from the volume's first slice
    "geom/slice_frac": Field("float"),  # 0 first slice, 1 last slice
    "geom/frame_pos_mm": Field("float"),  # from the lowest slice of the study's frame of reference
    "geom/grid": Field("bytes", allowed=HEX32),
    "id/patient": Field("bytes", allowed=HEX32),
    "id/study": Field("bytes", allowed=HEX32),
    "id/series": Field("bytes", allowed=HEX32),
    "id/frame_of_ref": Field("bytes", allowed=HEX32),
    "prov/schema_version": Field("int64"),
    "prov/converter_version": Field("bytes", allowed=VERSION),
    "prov/config_hash": Field("bytes", allowed=HEX32),
    "prov/key_id": Field("bytes", allowed=HEX8),
    "prov/synthetic": Field("int64", default=0),  # 1: a network made the pixels
    "prov/generator": Field("bytes", allowed=HEX32, default=NO_GENERATOR),  # which, and how
}


DEMOGRAPHICS = {
    "patient/age_bin": Field("bytes", allowed=AGE_BINS),
    "patient/sex": Field("bytes", allowed=SEXES),
}
"""Features that all records of a dataset have, or none: they must be asked for."""

_ALL = {**FIELDS, **DEMOGRAPHICS}
_SCANNED = {name: FIELDS[name].default for name in ("prov/synthetic", "prov/generator")}

# Tags of protocol buffers: number of the field, and that a length follows.
_FIRST, _SECOND = b"\x0a", b"\x12"
_KINDS = {"bytes": b"\x0a", "float": b"\x12", "int64": b"\x1a"}
_ORDER = sorted(_ALL, key="{}~".format)  # protobuf's: a name that others begin with comes last


def whitelist(*, demographics: bool) -> dict[str, Field]:
    """Returns the features that a record may have, and must have unless they have a default."""
    return _ALL if demographics else FIELDS


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
        known = ", ".join(sorted(fields.keys() - record.keys())) or "none"
        raise ValueError(
            f"A record holds the features of the whitelist and no other. Missing: {known}."
            f" Not allowed: {len(record.keys() - fields.keys())} feature(s)."
        )
    features = [part for name in _ORDER if name in record for part in _feature(name, record[name])]
    return b"".join(_delimited(_FIRST, features))


def _feature(name: str, value) -> list[bytes]:
    """Returns an entry of the map in Features (tensorflow/core/example/feature.proto).

    In parts, so that pixels are copied once; tf.train.Example encodes the same far more slowly.
    """
    if _ALL[name].sizes:
        return _entry(name, [_pixels(value) if name == "image/data" else _mask(name, value)])
    return [_small(name, tuple(value) if isinstance(value, (list, np.ndarray)) else value)]


# Most features of a slice are those of the whole volume.
@functools.lru_cache(maxsize=4096)
def _small(name: str, value) -> bytes:
    field = _ALL[name]
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
    kind = _delimited(_KINDS[_ALL[name].kind], _delimited(_FIRST, values))
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
        known = isinstance(text, str) and field.allowed.fullmatch(text) is not None
    else:
        known = text in field.allowed
    if not known:
        raise ValueError(
            f"Feature {name}: the value is outside the closed vocabulary of records.FIELDS and was"
            " not written."
        )
    return text.encode("ascii")


def parse(serialized, names: tuple[str, ...] = tuple(FIELDS)) -> dict:
    """Decodes serialized examples inside a tf.data graph.

    Args:
        serialized: String tensor [N].
        names: The features wanted; of `DEMOGRAPHICS` only where the records have them.

    Returns:
        Name to tensor: [N] or [N, length]; "image/data" is uint16 [N, SIZE, SIZE]. Masks stay
        packed, see `decode_mask`. A feature that is newer than a record has its default.

    Raises:
        tf.errors.InvalidArgumentError: A record lacks a feature of the schema.
    """
    import tensorflow as tf

    dtypes = {"bytes": tf.string, "int64": tf.int64, "float": tf.float32}
    specification = {
        name: tf.io.FixedLenFeature(
            [] if _ALL[name].length == 1 else [_ALL[name].length],
            dtypes[_ALL[name].kind],
            _ALL[name].default,
        )
        for name in names
    }
    parsed = tf.io.parse_example(serialized, specification)
    if "image/data" in parsed:
        pixels = tf.io.decode_raw(
            parsed["image/data"], tf.uint16, little_endian=True, fixed_length=None
        )
        parsed["image/data"] = tf.reshape(pixels, [-1, SIZE, SIZE])
    return parsed


def decode_mask(packed):
    """Unpacks masks, in a tf.data graph or outside.

    Args:
        packed: String tensor [N], a mask feature as `parse` returns it.

    Returns:
        (bool tensor [N, SIZE, SIZE], bool tensor [N] that is False where there is no mask; the mask
        is then False everywhere, which does not mean that there is no lesion).
    """
    import tensorflow as tf

    # An empty string is padded with zeros to the fixed length.
    rows = tf.io.decode_raw(packed, tf.uint8, fixed_length=_MASK_BYTES)
    shifts = tf.constant([7, 6, 5, 4, 3, 2, 1, 0], tf.uint8)
    bits = tf.bitwise.right_shift(rows[..., tf.newaxis], shifts) & 1
    mask = tf.reshape(tf.cast(bits, tf.bool), [-1, SIZE, SIZE])
    return mask, tf.strings.length(packed) > 0
