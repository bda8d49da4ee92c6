"""Where a file ends, how deep it nests and what follows its pixels are known before they matter."""

import struct

import numpy as np
import pydicom
import pytest
from dicom_studies import image, save
from pydicom import uid

from tfcyclegan.imaging.dicom import headers, pixels, silence
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal

KEY = Pseudonyms(bytes(range(32)))
STORED = np.random.default_rng(0).integers(0, 4096, (40, 36))
TWELVE = {"BitsStored": 12, "HighBit": 11}
UNDEFINED = 0xFFFFFFFF


def read(blob: bytes):
    """Returns the layout of a file and the warnings about it."""
    with silence.silenced() as counts:
        (frame,) = headers.read(blob, 0, KEY)
    return frame.layout, counts


def refused(blob: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        read(blob)
    return caught.value.reason


def with_length(blob: bytes, element: bytes, length: int) -> bytes:
    """Returns a file one of whose short elements lies about its length."""
    at = blob.index(element) + 6
    return blob[:at] + struct.pack("<H", length) + blob[at + 2 :]


def test_a_cut_at_any_byte_of_the_header_is_a_cut(tmp_path):
    blob = save(image(STORED), tmp_path / "x.dcm").read_bytes()
    start = 144 + int.from_bytes(blob[140:144], "little")
    elements = pydicom.dcmread(tmp_path / "x.dcm").values()
    # Between two elements nothing tells a cut file from one that lacks the next ones.
    between = {element.value_tell + element.length for element in elements}
    found = {end: refused(blob[:end]) for end in range(start + 1, len(blob), 3)}
    assert {reason for end, reason in found.items() if end not in between} == {"truncated"}


@pytest.mark.parametrize("element", [b"\x10\0\x10\0PN", b"\x10\0\x20\0LO", b"\x08\0\x60\0CS"])
@pytest.mark.parametrize("length", [6, 600, 1000, 65534])
def test_a_length_that_lies_is_no_cut(tmp_path, element, length):
    blob = save(image(STORED), tmp_path / "x.dcm").read_bytes()
    assert refused(with_length(blob, element, length)) == "parse_error"


def test_an_impossible_length_is_no_cut(tmp_path):
    dataset = image(STORED)
    dataset.add_new(0x00091001, "UN", b"\0\0")
    blob = save(dataset, tmp_path / "x.dcm").read_bytes()
    lie = blob.replace(b"UN\0\0\2\0\0\0", b"UN\0\0" + struct.pack("<L", 0xFFFFFFF0))
    assert lie != blob and refused(lie) == "parse_error"


def nested(depth: int, *, lengths: bool) -> bytes:
    """Returns an element of sequences within sequences, with lengths or with delimiters."""
    value = b""
    for _ in range(depth):
        head = b"\x08\0\x40\x11SQ\0\0"
        if lengths:
            item = b"\xfe\xff\0\xe0" + struct.pack("<L", len(value)) + value
            value = head + struct.pack("<L", len(item)) + item
        else:
            start = struct.pack("<L", UNDEFINED)
            ends = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
            value = head + start + b"\xfe\xff\0\xe0" + start + value + ends
    return value


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("depth", [3, 64, 65, 300])
def test_nesting_is_bounded(tmp_path, lengths, depth):
    blob = save(image(STORED), tmp_path / "x.dcm").read_bytes()
    at = blob.index(b"\x10\0\x10\0PN")
    deep = blob[:at] + nested(depth, lengths=lengths) + blob[at:]
    if depth <= 64:
        assert read(deep)[0].rows == 40
    else:
        assert refused(deep) == "nesting"


def test_many_items_side_by_side_are_not_deep(tmp_path):
    blob = save(image(STORED), tmp_path / "x.dcm").read_bytes()
    at = blob.index(b"\x10\0\x10\0PN")
    items = b"\xfe\xff\0\xe0\0\0\0\0" * 500
    wide = b"\x08\0\x40\x11SQ\0\0" + struct.pack("<L", len(items)) + items
    assert read(blob[:at] + wide + blob[at:])[0].rows == 40


def encapsulated(tmp_path, syntax, fragments: list[bytes]) -> bytes:
    dataset = image(STORED, **TWELVE)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pydicom.encaps.encapsulate(fragments)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    return (tmp_path / "x.dcm").read_bytes()


@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit])
def test_lossy_jpeg_is_refused(tmp_path, syntax):
    assert refused(encapsulated(tmp_path, syntax, [b"\xff\xd8\xff\xd9"])) == "lossy"


def test_fragments_must_be_items_and_end(tmp_path):
    blob = encapsulated(tmp_path, uid.RLELossless, [b"\xff\xd8\xff\xd9"])
    assert refused(blob[:-8]) == "truncated" and refused(blob[:-12]) == "truncated"
    at = blob.rindex(b"\xfe\xff\0\xe0")
    assert refused(blob[:at] + b"JUNKJUNK" + blob[at:]) == "parse_error"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("tail", [b"", b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0", b"\xff" * 64])
def test_bytes_after_the_pixels_are_counted_and_not_read(tmp_path, packed, tail):
    dataset = image(STORED, **TWELVE)
    if packed:
        dataset.compress(uid.RLELossless, encoding_plugin="pylibjpeg")
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    blob = (tmp_path / "x.dcm").read_bytes() + tail
    layout, counts = read(blob)
    assert counts["trailing_bytes"] == tail.startswith(b"\xff")
    ((array, _),) = pixels.decode(blob, [0], layout)
    np.testing.assert_array_equal(array, STORED)
