"""Stored pixel values: what is accepted (PS3.3, C.7.6.3) and which decoder reads it.

Decoders are named, never left to pydicom's choice: of those it would try, one ends the process on
garbage and one has a licence that this project does not want in the way.
"""

import math
import warnings

import numpy as np
from pydicom import uid
from pydicom.pixels import get_decoder

from tfcyclegan.imaging.dicom import elements, parsing
from tfcyclegan.imaging.dicom.elements import Layers
from tfcyclegan.imaging.frames import Layout
from tfcyclegan.privacy.reasons import Refusal

DECODERS = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.RLELossless: "pylibjpeg",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
}
"""Transfer syntax to pydicom's name of the plugin that decodes it; empty for uncompressed pixels.

A deflated data set is inflated while parsing and counts as explicit little endian from then on.
"""

_LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
LARGEST_SIDE, MOST_FRAMES = 4096, 4096
_AFTER_PIXELS = (b"", b"\xfc\xff\xfc\xff", b"\xfa\xff\xfa\xff")
"""What may follow the pixels: nothing, padding (PS3.10, 7.2), or digital signatures."""
_UNDEFINED = 0xFFFFFFFF


class TrailingBytes(UserWarning):
    """Bytes follow the pixels that are no element; they are not looked at."""

    code = "trailing_bytes"


def refuse_lossy(parsed: parsing.Parsed) -> None:
    """Refuses lossy JPEG, whatever else it may be: such an image is DERIVED by definition."""
    if parsed.transfer_syntax in _LOSSY:
        raise Refusal("lossy")


def layout(parsed: parsing.Parsed, frames: int) -> Layout:
    """Reads and checks how the pixels are stored, without decoding them.

    Raises:
        Refusal: The pixels are missing, coloured, inconsistent, or of an unknown syntax.
    """
    top = (parsed.dataset,)
    rows, columns = (elements.integer(top, keyword, 0) for keyword in ("Rows", "Columns"))
    _check_size(rows, columns)
    photometric = elements.tokens(top, "PhotometricInterpretation")[:1]
    if photometric not in (("MONOCHROME1",), ("MONOCHROME2",)):
        raise Refusal("not_grayscale")
    if elements.integer(top, "SamplesPerPixel", 1) != 1:
        raise Refusal("not_grayscale")
    if parsed.transfer_syntax not in DECODERS:
        raise Refusal("unsupported_ts")
    length, available = parsing.pixel_element(parsed.blob, parsed.pixels_at, parsed.transfer_syntax)
    tag = _pixel_tag(parsed)
    allocated, stored = _bits(top, floating=tag != 0x7FE00010)
    pixel_layout = Layout(
        transfer_syntax=str(parsed.transfer_syntax),
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=elements.integer(top, "PixelRepresentation", 0) == 1,
        inverted=photometric == ("MONOCHROME1",),
        floating=tag != 0x7FE00010,
        padding=_padding(top, stored),
    )
    end = _check_length(pixel_layout, length, available, parsed)
    if frames > MOST_FRAMES:
        raise Refusal("too_large")
    if parsed.blob[end : end + 4] not in _AFTER_PIXELS:
        warnings.warn(TrailingBytes(), stacklevel=2)
    return pixel_layout


def _check_size(rows: int, columns: int) -> None:
    if rows < 1 or columns < 1:
        raise Refusal("bad_dims")
    if max(rows, columns) > LARGEST_SIDE:
        raise Refusal("too_large")


def _pixel_tag(parsed: parsing.Parsed) -> int:
    order = "big" if parsed.transfer_syntax == uid.ExplicitVRBigEndian else "little"
    at = parsed.pixels_at
    group, element = (int.from_bytes(parsed.blob[i : i + 2], order) for i in (at, at + 2))
    return group << 16 | element


def _bits(top: Layers, *, floating: bool) -> tuple[int, int]:
    allocated = elements.integer(top, "BitsAllocated", 0)
    if floating:
        if allocated not in (32, 64):
            raise Refusal("bad_bits")
        return allocated, allocated
    stored = elements.integer(top, "BitsStored", 0)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise Refusal("bad_bits")
    if elements.integer(top, "HighBit", stored - 1) != stored - 1:
        raise Refusal("high_bit")
    return allocated, stored


def _padding(top: Layers, stored: int) -> tuple[int, int] | None:
    """Returns the range of padding values; its VR is ambiguous, so it is compared by bit pattern.

    Padding is given in stored values (PS3.3, C.7.5.1.1.2), as two's complement if those are signed.
    """
    padding_value = elements.number(top, "PixelPaddingValue")
    if not math.isfinite(padding_value):
        return None
    range_limit = elements.number(top, "PixelPaddingRangeLimit")
    range_limit = range_limit if math.isfinite(range_limit) else padding_value
    signed = elements.integer(top, "PixelRepresentation", 0) == 1
    mask = (1 << stored) - 1
    values = sorted(
        int(_signed(np.array(int(v) & mask), stored, signed)) for v in (padding_value, range_limit)
    )
    return values[0], values[1]


def _signed(values: np.ndarray, stored: int, signed: bool) -> np.ndarray:
    """Masks what lies above BitsStored, and extends the sign."""
    size = values.dtype.itemsize
    values = values.astype(f"u{size}", copy=False)
    if not signed:
        return values & ((1 << stored) - 1) if stored < 8 * size else values
    # Shifted up and, as a signed number, down again, the highest stored bit fills those above it.
    excess = 8 * size - stored
    return (values << excess).view(f"i{size}") >> excess


def _check_length(found: Layout, length: int, available: int, parsed: parsing.Parsed) -> int:
    """Returns the offset at which the pixels end."""
    encapsulated = bool(DECODERS[parsed.transfer_syntax])
    if encapsulated:
        if length != _UNDEFINED:
            raise Refusal("parse_error")
        count, end = parsing.fragments(parsed)
        if count < found.frames:
            raise Refusal("size_mismatch")
        return end
    needed = found.rows * found.columns * found.frames * found.bits_allocated // 8
    if length in (0, _UNDEFINED):
        raise Refusal("no_pixels" if length == 0 else "size_mismatch")
    if available < min(length, needed):
        raise Refusal("truncated")
    if length < needed or length > needed + 1:
        raise Refusal("size_mismatch")
    return len(parsed.blob) - available + length


def decode(
    blob: bytes, indices: list[int], found: Layout, pixels_at: int = -1
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Decodes frames of a file.

    Args:
        blob: The whole file.
        indices: Frames wanted, from 0.
        found: The layout that `layout` returned for the file.
        pixels_at: Offset of the pixel data element, where it is known: saves parsing again.

    Returns:
        For each index: stored values [rows, columns], integers or float32, and a mask that is True
        where the voxel is padding, or None if nothing is.

    Raises:
        Refusal: decode_error or not_finite; a decoder may raise anything else.
    """
    if DECODERS[found.transfer_syntax] or _needs_pydicom(found):
        arrays = _decode_by_plugin(blob, indices, found)
    else:
        arrays = _native(blob, indices, found, pixels_at)
    return [_finish(array, found) for array in arrays]


def _needs_pydicom(found: Layout) -> bool:
    """8-bit samples in big endian words are swapped in pairs, which pydicom knows."""
    return found.transfer_syntax == uid.ExplicitVRBigEndian and found.bits_allocated == 8


def _native(blob: bytes, indices: list[int], found: Layout, pixels_at: int) -> list[np.ndarray]:
    if pixels_at < 0:
        parsed = parsing.parse(blob, pixels=False)
        blob, pixels_at = parsed.blob, parsed.pixels_at
    _, available = parsing.pixel_element(blob, pixels_at, found.transfer_syntax)
    start = len(blob) - available
    order = ">" if found.transfer_syntax == uid.ExplicitVRBigEndian else "<"
    dtype = np.dtype(f"{order}{'f' if found.floating else 'u'}{found.bits_allocated // 8}")
    size = found.rows * found.columns
    shape = (found.rows, found.columns)
    return [
        np.frombuffer(blob, dtype, size, start + index * size * dtype.itemsize).reshape(shape)
        for index in indices
    ]


def _decode_by_plugin(blob: bytes, indices: list[int], found: Layout) -> list[np.ndarray]:
    if DECODERS[found.transfer_syntax]:
        # What follows the pixels is not parsed, since it may be anything.
        blob = blob[: parsing.fragments(parsing.parse(blob, pixels=False))[1]]
    parsed = parsing.parse(blob, pixels=True)
    decoder = get_decoder(uid.UID(found.transfer_syntax))
    plugin = DECODERS[found.transfer_syntax]
    frames = decoder.iter_array(parsed.dataset, indices=indices, raw=True, decoding_plugin=plugin)
    arrays = [array for array, _ in frames]
    if len(arrays) != len(indices) or any(
        array.shape != (found.rows, found.columns) for array in arrays
    ):
        raise Refusal("decode_error")
    return arrays


def _finish(array: np.ndarray, found: Layout) -> tuple[np.ndarray, np.ndarray | None]:
    if found.floating:
        if not np.all(np.isfinite(array)):
            raise Refusal("not_finite")
        return array.astype(np.float32), None
    if found.bits_stored <= 8 * array.dtype.itemsize:
        values = _signed(array, found.bits_stored, found.signed)
    else:
        values = array
    padded = None
    if found.padding is not None:
        padded = (values >= found.padding[0]) & (values <= found.padding[1])
    # A view would keep the whole file in memory.
    return np.require(values, requirements=["C", "OWNDATA"]), padded
