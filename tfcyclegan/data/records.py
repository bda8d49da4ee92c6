"""The tf.Example contract between ingestion and training: the table of fields, and reading it.

The table is a whitelist. `record_bytes.serialize` refuses a feature that is not in it and a byte
string outside its closed vocabulary, so no text of an input can reach a shard whatever a caller
does.

TensorFlow is imported where it is used: the worker processes of ingestion read this table too, and
a TensorFlow in each would cost seconds and hundreds of megabytes.
"""

import dataclasses
import re

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

ALL_FIELDS = {**FIELDS, **DEMOGRAPHICS}


def whitelist(*, demographics: bool) -> dict[str, Field]:
    """Returns the features that a record may have, and must have unless they have a default."""
    return ALL_FIELDS if demographics else FIELDS


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
            [] if ALL_FIELDS[name].length == 1 else [ALL_FIELDS[name].length],
            dtypes[ALL_FIELDS[name].kind],
            ALL_FIELDS[name].default,
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
