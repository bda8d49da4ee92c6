"""What the rows of bad_table.py are made of: each lays bad objects among a study's good slices."""

import os
import socket

import numpy as np
from bad_objects import put
from dicom_studies import enhanced, save, uid
from pydicom import uid as uids
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

EXPLICIT = uids.ExplicitVRLittleEndian.encode() + b"\0"
NAME, PATIENT_ID = b"\x10\0\x10\0PN", b"\x10\0\x20\0LO"
PIXELS = b"\xe0\x7f\x10\0OW\0\0"
CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
ENDLESS = b"\x09\0\x01\x10UN\0\0\xf0\xff\xff\xff"
JUNK = b"PLANTED garbage " * 40


def stored(dataset: Dataset) -> np.ndarray:
    """Returns the stored values of a slice, int64."""
    return np.frombuffer(dataset.PixelData, "<u2").astype(np.int64)


def with_stored(dataset: Dataset, values: np.ndarray, **changes) -> Dataset:
    """Returns a slice with other stored values of 16 bits, and other elements."""
    dataset.PixelData = (values & 0xFFFF).astype("<u2").tobytes()
    for keyword, value in changes.items():
        put(dataset, keyword, value)
    return dataset


def cut_in(blob: bytes, tag: bytes) -> bytes:
    """Returns a file that ends within an element."""
    return blob[: blob.index(tag) + 11]


def undefined_length(s):
    """Case 39."""
    blob = s.blob()
    at = blob.index(PIXELS) + len(PIXELS)
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    s.add("size_mismatch", blob[:at] + b"\xff" * 4 + blob[at + 4 :] + end)


def frames_that_are_not_there(s):
    """Case 11, in a classic and in a multi-frame image."""
    several = enhanced(s.stack(series="several"), list(range(8)))
    several.NumberOfFrames = 100000
    s.add("size_mismatch", [s.slice(NumberOfFrames=100000), several])


def mixed_orientations(s):
    """Case 21: stray planes of the same series, and a localizer that says so."""
    lone = [s.slice(0, orientation=plane) for plane in (CORONAL, SAGITTAL)]
    s.add("too_few_slices", lone)
    planes = s.stack(range(3), series="loc", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    s.add("localizer", planes)


def mixed_matrices(s):
    """Case 22: a second volume of the same series, and a lone slice of a third matrix."""
    s.add("", s.stack(rows=20))
    s.add("too_few_slices", s.slice(rows=10))
    s.pixels_as_good = False


def conflict(s):
    """Case 24: nobody knows which of two is right; but a cut copy costs nothing."""
    rival = s.slice(2, fresh=False)
    s.add("duplicate_conflict", with_stored(rival, stored(rival)[::-1]))
    s.change(2, "duplicate_conflict")
    s.add("truncated", s.blob(5, fresh=False)[:-100])
    s.pixels_as_good = False


def repeated_positions(s):
    """Case 25: a lone extra slice, and a series that was acquired twice as a whole."""
    s.add("duplicate_position", s.slice(3, AcquisitionNumber=7))
    for acquisition in (1, 2):
        s.add("", s.stack(series="twice", AcquisitionNumber=acquisition))
    s.pixels_as_good = False


def gap(s):
    """Case 26."""
    os.unlink(s.files.pop(3).path)
    s.pixels_as_good = False
    s.check = lambda series, records: {row["note"] for row in series} == {"gap"}


def unextended_sign(s):
    """Case 29: stored values below zero in the lower 12 of 16 bits."""
    dataset = s.slice(RescaleIntercept="500", RescaleSlope="1")
    bits = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    s.add("", with_stored(dataset, (stored(dataset) - 500) & 0xFFF, **bits))


def garbage_bits(s):
    """Case 30."""
    dataset = s.slice()
    s.add("", with_stored(dataset, stored(dataset) | 0xA000, BitsStored=12, HighBit=11))


def varying_slope(s):
    """Case 42."""
    dataset = s.slice(RescaleSlope="0.5", RescaleIntercept="0")
    s.add("", with_stored(dataset, 2 * stored(dataset)))


def padding(s):
    """Case 44: the corner outside the scanner's field would be the brightest by far."""
    images = s.stack(series="padded")
    for dataset in images:
        values = stored(dataset).reshape(40, 40).copy()
        values[:6, :6] = 60000
        with_stored(dataset, values.ravel()).add_new("PixelPaddingValue", "US", 60000)
    s.add("", images)
    s.pixels_as_good = False
    s.check = lambda series, records: all(r["image/scale_hi"] < 2000 for r in records)


def constant(s):
    """Case 43."""
    s.add("empty_volume", s.stack(series="black", values=lambda p: 0 * p[..., 0]))
    s.add("empty_volume", s.stack(series="grey", values=lambda p: 0 * p[..., 0] + 7))


def lying_syntaxes(s):
    """Case 46: an explicit file that claims to be implicit, and the reverse."""
    s.add("", s.slice(), after=lambda blob: claiming(blob, uids.ImplicitVRLittleEndian))
    implicit = s.blob(9, syntax=uids.ImplicitVRLittleEndian)
    s.add("", s.slice(9), after=lambda _: claiming(implicit, uids.ExplicitVRLittleEndian))


def claiming(blob: bytes, syntax: str) -> bytes:
    """Returns a file whose meta information names another transfer syntax."""
    at = blob.index(b"\x02\0\x10\0UI") + 6
    length = int.from_bytes(blob[at : at + 2], "little")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    group = int.from_bytes(blob[140:144], "little") + len(value) - length
    changed = len(value).to_bytes(2, "little") + value + blob[at + 2 + length :]
    return blob[:140] + group.to_bytes(4, "little") + blob[144:at] + changed


def odd_texts(s):
    """Case 60: what a character set, a name or an identifier may be; the id stays the same."""
    s.add("", s.slice(8, SpecificCharacterSet=b"PLANTED 999\\ISO 2022 IR 6"))
    s.add("", s.slice(9, PatientName=b"PLANTED^\xd7\x90\xe2\x80\xae\0\xff" + b"PLANTED" * 600))
    s.add("", s.slice(10, PatientID=f"{s.word}ID".encode() + b"\0\0"))
    s.files[-1] = type(s.files[-1])(s.files[-1].path, frozenset({""}), s.files[0].patient, 1)


def issuers(s):
    """Case 63."""
    for name in ("A", "B"):
        own = {"StudyInstanceUID": uid(s.word, name), "SeriesInstanceUID": uid(s.word, name, 1)}
        s.add("", s.stack(IssuerOfPatientID=f"{s.word}{name}", **own))
    s.pixels_as_good = False
    s.check = lambda series, records: len({r["id/patient"] for r in records}) == 3


def collisions(s):
    """Case 64: a stray of another patient, and two whole series of two patients."""
    s.add("uid_collision", s.slice(PatientID=f"{s.word}OTHER"))
    for name in ("A", "B"):
        s.add("uid_collision", s.stack(series="shared", PatientID=f"{s.word}{name}"))


def shuffled_frames(s):
    """Case 66."""
    s.add("", enhanced(s.stack(series="enhanced"), [6, 7, 2, 1, 4, 5, 3, 0]))
    s.pixels_as_good = False
    s.check = both_alike


def both_alike(series, records) -> bool:
    """Tells whether two series of eight records hold the same pictures."""
    pictures = {}
    for record in records:
        pictures.setdefault(record["id/series"], []).append(record["image/data"])
    first, second = pictures.values()
    return len(first) == 8 and np.array_equal(first, second)


def mixed_frames(s):
    """Case 67: eight T2 frames, eight of another echo, and two of another plane."""
    others = s.stack(range(2), orientation=CORONAL)
    images = [*s.stack(series="enhanced"), *s.stack(series="enhanced"), *others]
    mixed = enhanced(images, list(range(18)))
    for number, group in enumerate(mixed.PerFrameFunctionalGroupsSequence):
        echo, plane = Dataset(), Dataset()
        echo.EffectiveEchoTime = 12.0 if 8 <= number < 16 else 99.0
        plane.ImageOrientationPatient = list(images[number].ImageOrientationPatient)
        group.MREchoSequence = Sequence([echo])
        group.PlaneOrientationSequence = Sequence([plane])
    s.add("", mixed)
    s.files[-1] = type(s.files[-1])(s.files[-1].path, frozenset({""}), s.files[0].patient, 8)
    s.pixels_as_good = False
    s.check = both_alike


def directory(s):
    """Case 81: the file it points to lies outside the input, and is a perfect slice."""
    save(s.slice(), s.root.parent / "secret.dcm")
    record, dataset = Dataset(), s.slice(SOPClassUID=uids.MediaStorageDirectoryStorage)
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["..", "..", "secret.dcm"]
    dataset.DirectoryRecordSequence = Sequence([record])
    s.add("not_mr_image", dataset, "DICOMDIR")


def special_files(s):
    """Case 82."""
    os.mkfifo(s.folder / "PLANTED pipe")
    here = os.getcwd()
    os.chdir(s.folder)  # the path of a socket is limited to 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("PLANTED socket")
    finally:
        os.chdir(here)
    s.note("not_regular", bytes(s.folder / "PLANTED pipe"))
    s.note("not_regular", bytes(s.folder / "PLANTED socket"))


def links(s):
    """Case 83: a loop, a way out of the input, and one to nowhere."""
    for name, goal in (("loop", s.folder), ("out", s.root.parent), ("nowhere", "PLANTED")):
        (s.folder / f"PLANTED {name}").symlink_to(goal)
        s.note("symlink", bytes(s.folder / f"PLANTED {name}"))


def odd_names(s):
    """Case 85."""
    for index, name in enumerate((b"PLANTED\xff\xfe", b"PLANTED\n\x1b[31m", b"PLANTED" * 36)):
        s.add("", s.slice(8 + index), name)
