"""Stored values are read exactly, whoever encoded them, or refused with a reason.

Compressed fixtures come from dcmtk where it has the encoder, so that encoder and decoder are not
of one hand; JPEG 2000 from OpenJPEG through pydicom.
"""

import shutil
import subprocess
import zlib

import gdcm
import numpy as np
import pydicom
import pytest
from dicom_studies import enhanced, image, save, stack
from pydicom import uid

from tfcyclegan.imaging.dicom import headers, pixels, silence
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal

KEY = Pseudonyms(bytes(range(32)))
UNSIGNED = np.random.default_rng(0).integers(0, 4096, (40, 36))
SIGNED = UNSIGNED - 2048
TWELVE = {"BitsStored": 12, "HighBit": 11}


def decoded(blob: bytes, frames=(0,)):
    """Reads header and pixels of a file as the converter does."""
    with silence.silenced():
        found = headers.read(blob, 0, KEY)
        return pixels.decode(blob, list(frames), found[0].layout)


def written(dataset, tmp_path, syntax=uid.ExplicitVRLittleEndian) -> bytes:
    return save(dataset, tmp_path / "x.dcm", syntax).read_bytes()


def values(blob: bytes):
    ((array, padded),) = decoded(blob)
    assert padded is None and array.dtype.isnative
    return array


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
@pytest.mark.parametrize("signed", [0, 1])
def test_native_encodings_are_exact(tmp_path, syntax, signed):
    stored = SIGNED if signed else UNSIGNED
    dataset = image(stored, PixelRepresentation=signed)
    np.testing.assert_array_equal(values(written(dataset, tmp_path, syntax)), stored)


DCMTK = {
    uid.RLELossless: ["dcmcrle"],
    uid.JPEGLSLossless: ["dcmcjpls"],
    uid.JPEGLosslessSV1: ["dcmcjpeg", "+e1"],
    uid.JPEGLossless: ["dcmcjpeg", "+el"],
}


@pytest.mark.parametrize("syntax", list(DCMTK), ids=lambda s: s.name)
@pytest.mark.parametrize("signed", [0, 1])
def test_what_dcmtk_encoded_is_decoded_exactly(tmp_path, syntax, signed):
    program, *options = DCMTK[syntax]
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: apt-get install dcmtk")
    stored = SIGNED if signed else UNSIGNED
    plain = save(image(stored, PixelRepresentation=signed, **TWELVE), tmp_path / "plain.dcm")
    packed = tmp_path / "packed.dcm"
    subprocess.run([program, *options, plain, packed], check=True, capture_output=True)
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(values(packed.read_bytes()), stored)


@pytest.mark.parametrize("signed", [0, 1])
def test_jpeg_2000_is_decoded_exactly(tmp_path, signed):
    stored = SIGNED if signed else UNSIGNED
    dataset = image(stored, PixelRepresentation=signed, **TWELVE)
    dataset.compress(uid.JPEG2000Lossless, encoding_plugin="pylibjpeg")
    path = tmp_path / "x.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    np.testing.assert_array_equal(values(path.read_bytes()), stored)


def test_every_decoder_is_installed():
    for syntax, plugin in pixels.DECODERS.items():
        if plugin:
            assert plugin in pydicom.pixels.get_decoder(syntax).available_plugins, syntax.name
    assert not any(plugin == "libjpeg" for plugin in pixels.DECODERS.values())


def test_frames_of_a_file_are_decoded_one_by_one(tmp_path):
    images = stack(slices=6)
    blob = written(enhanced(images, [3, 1, 0, 5, 4, 2]), tmp_path)
    with silence.silenced():
        found = headers.read(blob, 0, KEY)
        arrays = pixels.decode(blob, [2, 0], found[0].layout)
    np.testing.assert_array_equal(arrays[0][0], images[0].pixel_array)
    np.testing.assert_array_equal(arrays[1][0], images[3].pixel_array)


def test_gdcm_reads_the_same_values(tmp_path):
    path = save(image(SIGNED, PixelRepresentation=1), tmp_path / "x.dcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    theirs = np.frombuffer(buffer, "<i2").reshape(SIGNED.shape)
    np.testing.assert_array_equal(values(path.read_bytes()), theirs)


def test_garbage_above_bits_stored_is_masked(tmp_path):
    dirty = image(UNSIGNED | 0xA000, **TWELVE)
    np.testing.assert_array_equal(values(written(dirty, tmp_path)), UNSIGNED)


def test_twelve_signed_bits_need_no_sign_extension(tmp_path):
    dataset = image(SIGNED & 0xFFF, **TWELVE)
    dataset.PixelRepresentation = 1
    np.testing.assert_array_equal(values(written(dataset, tmp_path)), SIGNED)


@pytest.mark.parametrize("allocated", [8, 32])
def test_other_word_lengths(tmp_path, allocated):
    stored = UNSIGNED % 256 if allocated == 8 else UNSIGNED * 1000
    bits = {"BitsAllocated": allocated, "BitsStored": allocated, "HighBit": allocated - 1}
    np.testing.assert_array_equal(values(written(image(stored, **bits), tmp_path)), stored)


def test_padding_is_marked(tmp_path):
    stored = SIGNED.copy()
    stored[:5] = -2000
    dataset = image(stored, PixelRepresentation=1)
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    ((_, padded),) = decoded(written(dataset, tmp_path))
    np.testing.assert_array_equal(padded, stored == -2000)


def test_a_padding_range_is_marked(tmp_path):
    dataset = image(UNSIGNED)
    dataset.add_new("PixelPaddingValue", "US", 100)
    dataset.add_new("PixelPaddingRangeLimit", "US", 0)
    ((_, padded),) = decoded(written(dataset, tmp_path))
    np.testing.assert_array_equal(padded, UNSIGNED <= 100)


def test_infinite_float_pixels_are_refused(tmp_path):
    dataset = image(UNSIGNED, BitsAllocated=32, BitsStored=None, HighBit=None, PixelData=None)
    numbers = UNSIGNED.astype("<f4")
    dataset.FloatPixelData = numbers.tobytes()
    np.testing.assert_array_equal(values(written(dataset, tmp_path)), UNSIGNED)
    numbers[3, 3] = np.inf
    dataset.FloatPixelData = numbers.tobytes()
    with pytest.raises(Refusal, match="not_finite"):
        decoded(written(dataset, tmp_path))


REFUSED = [
    ("bad_dims", {"Rows": 0}),
    ("too_large", {"Rows": 60000, "Columns": 60000}),
    ("bad_type", {"Rows": [40, 40]}),
    ("not_grayscale", {"PhotometricInterpretation": "RGB"}),
    ("not_grayscale", {"PhotometricInterpretation": "PALETTE COLOR"}),
    ("not_grayscale", {"SamplesPerPixel": 3}),
    ("bad_bits", {"BitsAllocated": 12}),
    ("bad_bits", {"BitsStored": 20}),
    ("high_bit", {"BitsStored": 12, "HighBit": 15}),
    ("no_pixels", {"PixelData": None}),
    ("no_pixels", {"PixelData": b""}),
    ("size_mismatch", {"Rows": 39}),
    ("size_mismatch", {"Rows": 41}),
]


@pytest.mark.parametrize(("reason", "changes"), REFUSED)
def test_unreadable_layouts_are_refused(tmp_path, reason, changes):
    dataset = image(UNSIGNED)
    for keyword, value in changes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    with pytest.raises(Refusal, match=reason):
        decoded(written(dataset, tmp_path))


def test_a_file_cut_in_its_pixels_is_truncated(tmp_path):
    blob = written(image(UNSIGNED), tmp_path)
    with pytest.raises(Refusal, match="truncated"):
        decoded(blob[:-100])


@pytest.mark.parametrize("cut", [300, 500, 700])
def test_a_file_cut_in_its_header_is_refused(tmp_path, cut):
    blob = written(image(UNSIGNED), tmp_path)
    with pytest.raises(Refusal):
        decoded(blob[:cut])


def test_an_unknown_transfer_syntax_is_refused(tmp_path):
    dataset = image(UNSIGNED)
    path = save(dataset, tmp_path / "x.dcm")
    blob = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.9\0")
    with pytest.raises(Refusal, match="unsupported_ts"):
        decoded(blob)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_garbage_in_a_compressed_frame_never_decodes_in_silence(tmp_path, syntax):
    dataset = image(UNSIGNED, **TWELVE)
    dataset.compress(syntax, encoding_plugin="pyjpegls" if "LS" in syntax.name else "pylibjpeg")
    dataset.PixelData = pydicom.encaps.encapsulate([b"\x13\x37garbage" * 20])
    path = tmp_path / "x.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(Exception), silence.silenced():  # noqa: B017 - each decoder has its own
        decoded(path.read_bytes())


def test_a_deflate_bomb_is_refused_before_it_expands(tmp_path):
    blob = written(image(UNSIGNED), tmp_path, uid.DeflatedExplicitVRLittleEndian)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(400)) + packer.flush()
    # The group length (PS3.10, 7.1) is the first element after the prefix.
    start = 144 + int.from_bytes(blob[140:144], "little")
    with pytest.raises(Refusal, match="bomb"):
        decoded(blob[:start] + bomb)
