"""A study of eight good T2 slices, and the bad objects that are laid among them.

Every file of a study carries a planted word in its names and texts, and every file says what must
become of it; see bad_table.py for the cases.
"""

import collections
import dataclasses
import functools
import pathlib
import struct
import zlib

import numpy as np
import pydicom
from dicom_studies import AXIAL, blob, coordinates, image, position_of, save, uid
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

GOOD = 8
"""Slices of the good series."""
UNDEFINED = 0xFFFFFFFF


@dataclasses.dataclass(frozen=True)
class File:
    """A written file, what must become of it, and how many records come of it."""

    path: bytes
    reasons: frozenset[str]
    patient: tuple[str, str] = ("", "")
    frames: int = 0


class Study:
    """One case's folder.

    Args:
        root: Directory of the input.
        number: Of the case in section F of the specification.
    """

    def __init__(self, root: pathlib.Path, number: int):
        self.word = f"PLANTED{number:03d}"
        self.folder = root / f"{self.word}^DIR"
        self.root = root
        self.files: list[File] = []
        self.pixels_as_good = True
        self.check = None
        self._made = 0
        self.add("", self.stack(fresh=False))

    def slice(self, index: int = GOOD, *, fresh: bool = True, **changes) -> Dataset:
        """Returns the slice at a position, changed by keyword; bytes are stored as they are."""
        return self.stack(range(index, index + 1), fresh=fresh, **changes)[0]

    def stack(self, indices=range(GOOD), *, fresh: bool = True, **changes) -> list[Dataset]:
        """Returns slices of a series of this patient; `fresh` ones are instances of their own."""
        return [self._one(index, fresh, **changes) for index in indices]

    def _one(
        self,
        index: int,
        fresh: bool,
        *,
        series="S1",
        sequence="t2",
        rows=40,
        orientation=AXIAL,
        values=blob,
        **changes,
    ) -> Dataset:
        spacing = (160 / rows, 160 / rows)
        corner = position_of(index - GOOD / 2, orientation, spacing, rows, rows, 6.0)
        dataset = image(
            _pixels(index, orientation, rows, values),
            sequence=sequence,
            series=series,
            study=self.word,
            patient=f"{self.word}ID",
            PatientName=f"{self.word}^NAME",
            StudyDescription=f"{self.word} TEXT",
            PixelSpacing=list(spacing),
            ImagePositionPatient=[round(float(p), 6) for p in corner],
            ImageOrientationPatient=list(orientation),
            InstanceNumber=index + 1,
        )
        for keyword, value in changes.items():
            put(dataset, keyword, value)
        if fresh:
            self._made += 1
            dataset.SOPInstanceUID = uid(self.word, self._made)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset

    def blob(self, index: int = GOOD, *, syntax=ExplicitVRLittleEndian, **changes) -> bytes:
        """Returns the bytes of a slice's file."""
        made = save(self.slice(index, **changes), self.folder / "made", syntax)
        content = made.read_bytes()
        made.unlink()
        return content

    def add(
        self,
        reasons: str,
        content,
        name: str | bytes = "",
        *,
        syntax=ExplicitVRLittleEndian,
        after=lambda blob: blob,
    ) -> None:
        """Writes a file.

        Args:
            reasons: Codes, of which it must get one; an empty string means that it converts.
            content: Data set or bytes; a list of them makes several files.
            name: File name; a planted one is made up.
            syntax: Of a data set.
            after: Changes the bytes of its file.
        """
        for item in content if isinstance(content, list) else [content]:
            wanted = name or f"{self.word}_{len(self.files):03d}.dcm"
            path = (
                bytes(self.folder)
                + b"/"
                + (wanted if isinstance(wanted, bytes) else wanted.encode())
            )
            made = self.folder / "made"
            made.parent.mkdir(parents=True, exist_ok=True)
            blob = item if isinstance(item, bytes) else save(item, made, syntax).read_bytes()
            made.write_bytes(after(blob))
            made.rename(path.decode("utf-8", "surrogateescape"))
            self.note(reasons, path, item)

    def note(self, reasons: str, path: bytes, item=b"") -> None:
        """Says what must become of a file that is there."""
        patient, frames = ("", ""), 0
        if isinstance(item, Dataset) and not reasons:
            patient = item.get("PatientID", ""), item.get("IssuerOfPatientID", "")
            frames = int(item.get("NumberOfFrames", 1))
        found = [file for file in self.files if file.path != bytes(path)]
        self.files = [*found, File(bytes(path), frozenset(reasons.split("|")), patient, frames)]

    def change(self, index: int, reasons: str) -> None:
        """Says that a good slice ends otherwise, because of what lies beside it."""
        self.files[index] = dataclasses.replace(self.files[index], reasons=frozenset({reasons}))

    def records(self) -> collections.Counter:
        """Returns how many records each patient must have."""
        wanted: collections.Counter = collections.Counter()
        for file in self.files:
            if file.reasons == {""}:
                wanted[file.patient] += file.frames
        return wanted


@functools.lru_cache
def _pixels(index: int, orientation: tuple, rows: int, values) -> np.ndarray:
    spacing = (160 / rows, 160 / rows)
    corner = position_of(index - GOOD / 2, orientation, spacing, rows, rows, 6.0)
    return np.rint(values(coordinates(corner, orientation, spacing, rows, rows)))


def put(dataset: Dataset, keyword: str, value) -> None:
    """Sets an element; bytes go in unchecked, and None removes it."""
    if value is None:
        if keyword in dataset:
            del dataset[keyword]
    elif isinstance(value, bytes) and keyword != "PixelData":
        tag = pydicom.datadict.tag_for_keyword(keyword)
        vr = pydicom.datadict.dictionary_VR(tag)
        value += b" " * (len(value) % 2)
        dataset[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(value), value, 0, False, True)
    else:
        setattr(dataset, keyword, value)


def compressed(dataset: Dataset, syntax, fragments: list[bytes]) -> bytes:
    """Returns a file that claims a compressed syntax and holds these fragments."""
    dataset.file_meta.TransferSyntaxUID = syntax
    items = [b"", *fragments]  # the first is the offset table
    dataset.PixelData = b"".join(b"\xfe\xff\0\xe0" + struct.pack("<L", len(i)) + i for i in items)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    out = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def dataset_start(blob: bytes) -> int:
    """Returns where the data set begins (PS3.10, 7.1)."""
    return 144 + int.from_bytes(blob[140:144], "little")


def bomb(blob: bytes, megabytes: int) -> bytes:
    """Returns a deflated file that expands to zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # After a full flush the compressor knows nothing of what came before: the block repeats.
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return blob[: dataset_start(blob)] + block * megabytes + packer.flush()


def nested(depth: int) -> bytes:
    """Returns an element of sequences within sequences, of undefined length."""
    start = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    return start * depth + b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth


def nested_with_lengths(depth: int) -> bytes:
    """Returns the same with every length written out."""
    levels = []
    for level in range(depth, 0, -1):
        inner = 20 * (level - 1)
        levels.append(b"\x08\0\x40\x11SQ\0\0" + struct.pack("<L", inner + 8))
        levels.append(b"\xfe\xff\0\xe0" + struct.pack("<L", inner))
    return b"".join(levels)


def before(blob: bytes, tag: bytes, extra: bytes) -> bytes:
    """Returns a file with bytes put before an element."""
    at = blob.index(tag)
    return blob[:at] + extra + blob[at:]


def with_length(blob: bytes, tag: bytes, length: int) -> bytes:
    """Returns a file one of whose short elements lies about its length."""
    at = blob.index(tag) + 6
    return blob[:at] + struct.pack("<H", length) + blob[at + 2 :]


COVERED: set[int] = set()
"""Cases with a test of their own."""


def case(number: int):
    """Marks the test of a case of section F."""
    COVERED.add(number)
    return lambda test: test
