"""Data sets without preamble or meta information are recognised, and completed on request only."""

import io

import numpy as np
import pydicom
import pytest
from dicom_studies import image, save
from pydicom import uid

from tfcyclegan.imaging.source import bare_dicom, walk
from tfcyclegan.privacy.reasons import Refusal

PIXELS = np.arange(64).reshape(8, 8)
PREAMBLE = 132
SYNTAXES = [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian]


def written(tmp_path, syntax) -> tuple[bytes, bytes]:
    """Returns a file and the data set in it."""
    blob = save(image(PIXELS), tmp_path / "x.dcm", syntax).read_bytes()
    return blob, blob[PREAMBLE + 12 + int.from_bytes(blob[140:144], "little") :]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.name)
@pytest.mark.parametrize("kept", ["preamble", "meta", "nothing"])
def test_what_is_missing_is_added(tmp_path, syntax, kept):
    blob, dataset = written(tmp_path, syntax)
    cut = {"preamble": blob[:PREAMBLE] + dataset, "meta": blob[PREAMBLE:], "nothing": dataset}
    found = pydicom.dcmread(io.BytesIO(bare_dicom.completed(cut[kept])))
    assert found.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(found.pixel_array, PIXELS)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.name)
def test_a_complete_file_stays_as_it_is(tmp_path, syntax):
    blob, _ = written(tmp_path, syntax)
    assert bare_dicom.completed(blob) == blob


@pytest.mark.parametrize(
    "head",
    [
        b"",
        bytes(132),
        b"\x08\0",
        b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(122),
        b"%PDF-1.7\n" + b"x" * 123,
        b"\x08\0\x08\0" + b"text that goes on and on " * 6,
        b"\x08\0\x16\0UI\x04\0abcd" + b"no second element " * 8,
        b"\x08\0\x16\0UI\x04\0abcd\x08\0\x05\0UI\x04\0abcd".ljust(132, b"\0"),  # runs backwards
    ],
)
def test_other_files_are_not_taken_for_dicom(head):
    assert bare_dicom.syntax_of(head[:PREAMBLE]) == ""


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.name)
def test_they_are_read_on_request_only(tmp_path, syntax):
    _, dataset = written(tmp_path, syntax)
    (tmp_path / "x").write_bytes(dataset)
    item = walk.InputObject(bytes(tmp_path / "x"), b"x")
    with pytest.raises(Refusal, match="no_meta"):
        item.read()
    forced = walk.InputObject(bytes(tmp_path / "x"), b"x", force=True)
    assert walk.starts_like_dicom(forced.read()[:PREAMBLE])
