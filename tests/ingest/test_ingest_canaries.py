"""No string of an input reaches an output, whichever way the input goes.

Tokens are planted wherever bytes can hide: every text element, nested and private ones, overlays,
preamble, padding, file and folder names. Outputs are searched for each token in many disguises.
"""

import base64
import collections
import functools
import hashlib
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest
import tensorflow as tf
from dicom_studies import save, stack, write_stack
from ingest_runs import Result, config, convert, key_file
from places import ROOT
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from tfcyclegan.data import record_bytes
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import plan
from tfcyclegan.ingest import run as ingest_run
from tfcyclegan.ingest.verification import output_check
from tfcyclegan.ingest.verification.search import Needles

TEXT_VRS = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC"}
TEXT_VRS |= {"UI", "UR", "UT"}
ESSENTIAL = {
    *("SOPClassUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("ImageType",),
    *("PhotometricInterpretation", "ScanningSequence", "EchoTime", "RepetitionTime", "Modality"),
    *("InversionTime", "EchoTrainLength", "SpecificCharacterSet", "NumberOfFrames", "RescaleSlope"),
    *("RescaleIntercept", "BurnedInAnnotation", "SliceThickness", "DiffusionBValue"),
    *("ConversionType", "AcquisitionContrast", "InversionRecovery", "EchoPulseSequence"),
    *("EchoPlanarPulseSequence", "ComplexImageComponent", "TemporalPositionIdentifier"),
}
"""Elements whose planting would change the way the file goes; their tokens come otherwise."""


class Tokens:
    """Makes unique words and remembers them."""

    def __init__(self):
        self.words: set[str] = set()

    def text(self) -> str:
        return self._keep(f"CANARY{len(self.words):06d}X")

    def number(self) -> str:
        return self._keep(f"7700{len(self.words):08d}")

    def uid(self) -> str:
        return self._keep(f"1.2.840.77.{1_000_000 + len(self.words)}.5")

    def _keep(self, word: str) -> str:
        self.words.add(word)
        return word

    def of(self, vr: str) -> str:
        if vr == "PN":
            return f"{self.text()}^{self.text()}"
        if vr == "UI":
            return self.uid()
        if vr == "DA":
            return self._keep(f"19{40 + len(self.words) % 60}0{1 + len(self.words) % 9}17")
        return self.number() if vr in ("DS", "IS", "TM", "AS", "DT") else self.text()


SAME = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
SAME += ("IssuerOfPatientID",)


def plant(dataset: Dataset, tokens: Tokens, shared: dict) -> Dataset:
    """Fills every text element that the dictionary knows, and every hiding place besides."""
    count = 0
    for tag, (vr, _, _, retired, keyword) in sorted(pydicom.datadict.DicomDictionary.items()):
        known = vr in TEXT_VRS and keyword and not retired and tag >> 16 > 2
        if not known or keyword in ESSENTIAL or tag >> 16 in (0x5200, 0x7FE0, 0xFFFC, 0xFFFA):
            continue
        count += 1
        # Most elements take turns over the slices, so that files stay small.
        if keyword not in SAME and keyword != "SOPInstanceUID" and count % 25 != shared["turn"]:
            continue
        value = shared.setdefault(keyword, tokens.of(vr)) if keyword in SAME else tokens.of(vr)
        raw = value.encode() + b" " * (len(value) % 2)
        dataset[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    inner = Dataset()
    inner.PatientName = tokens.of("PN")
    middle = Dataset()
    middle.PatientID, middle.ReferencedStudySequence = tokens.text(), Sequence([inner])
    deepest = Dataset()
    deepest.PatientComments = tokens.text()
    inner.ReferencedSeriesSequence = Sequence([deepest])
    dataset.RequestAttributesSequence = Sequence([middle])
    icon = Dataset()
    icon.add_new(0x7FE00010, "OB", tokens.text().encode() + b"\0")
    dataset.IconImageSequence = Sequence([icon])
    block = dataset.private_block(0x0029, tokens.text(), create=True)
    block.add_new(0x10, "LO", tokens.text())
    block.add_new(0x11, "OB", b"\0blob" + tokens.text().encode() + b"\0")
    block.add_new(0x12, "UN", tokens.text().encode("utf-16-le"))
    block.add_new(0x13, "SQ", Sequence([inner]))
    dataset.add_new(0x60003000, "OW", tokens.text().encode() + b"\0")
    dataset.add_new(0x60000022, "LO", tokens.text())
    dataset.add_new(0x50000022, "LO", tokens.text())
    dataset.add_new(0x50003000, "OW", tokens.text().encode() + b"\0")
    dataset.add_new(0xFFFCFFFC, "OB", tokens.text().encode() + b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = tokens.text()
    dataset.file_meta.PrivateInformationCreatorUID = tokens.uid()
    dataset.file_meta.PrivateInformation = tokens.text().encode() + b"\0"
    dataset.preamble = tokens.text().encode().ljust(128, b"\0")
    return dataset


def hide_above_bits_stored(dataset: Dataset, word: str) -> None:
    """Writes the half-bytes of a word into the four bits above BitsStored."""
    pixels = np.frombuffer(dataset.PixelData, "<u2").copy()
    halves = np.array([half for byte in word.encode() for half in (byte >> 4, byte & 15)])
    pixels[: halves.size] |= (halves << 12).astype("<u2")
    dataset.PixelData = pixels.tobytes()


def exceed(dataset: Dataset, tokens: Tokens) -> None:
    """Pixel data longer than the image."""
    dataset.PixelData += tokens.text().encode().ljust(16, b"\0")


def pretend(syntax):
    def change(dataset: Dataset, tokens: Tokens) -> None:
        """Pixel data that no decoder can read, and that some die of."""
        dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + tokens.text().encode() * 9])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax

    return change


CHANGES = {
    "excess": exceed,
    "j2k": pretend(uid.JPEG2000Lossless),
    "jpegls": pretend(uid.JPEGLSLossless),
    "jpeg": pretend(uid.JPEGLosslessSV1),
    "rle": pretend(uid.RLELossless),
}


def series(folder: pathlib.Path, tokens: Tokens, damage=None, change=None, **options) -> None:
    shared: dict = {}
    first = len(tokens.words)
    for number, dataset in enumerate(stack(BitsStored=12, HighBit=11, **options)):
        shared["turn"] = (5 * number + first) % 25
        plant(dataset, tokens, shared)
        hide_above_bits_stored(dataset, tokens.text())
        if change is not None:
            change(dataset, tokens)
        path = folder / tokens.text() / f"{tokens.text()}.dcm"
        save(dataset, path, dataset.file_meta.TransferSyntaxUID)
        with path.open("ab") as file:
            tail = tokens.text().encode() + b"\0"
            head = b"\xfc\xff\xfc\xffOB\0\0" + len(tail).to_bytes(4, "little")
            file.write(head + tail if number % 2 else b"")
        if damage is not None and number == 2:
            path.write_bytes(damage(path.read_bytes()))


def keep_only_meta(blob: bytes) -> bytes:
    return blob[: 144 + int.from_bytes(blob[140:144], "little")]


EXPLICIT = uid.ExplicitVRLittleEndian.encode() + b"\0"
DAMAGE = [
    lambda blob: blob[: len(blob) // 2],
    lambda blob: blob[:-200],
    keep_only_meta,
    lambda blob: b"CANARYNOTDICOM" + blob,
    lambda blob: blob.replace(EXPLICIT, b"1.2.840.10008.1.2.2\0"),
    lambda blob: blob.replace(EXPLICIT, b"1.2.840.77.0.1.9.99\0"),
    lambda blob: blob[:400] + b"\xff" * 8 + blob[408:],
    lambda blob: blob.replace(b"(\0\x10\0US\x02\0", b"(\0\x10\0LO\x02\0"),
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A tree of good and damaged series, full of tokens."""
    tokens = Tokens()
    root = tmp_path_factory.mktemp("in") / tokens.text()
    series(root / "t2", tokens)
    series(root / "flair", tokens, sequence="flair")
    series(root / "t1", tokens, sequence="t1")
    for number, damage in enumerate(DAMAGE):
        series(root / f"damaged{number}", tokens, damage)
    series(root / "unoriented", tokens, ImageOrientationPatient=[0, 0, 0, 0, 0, 0])
    series(root / "unspaced", tokens, rows=20, columns=20, PixelSpacing=[1])
    for name, change in CHANGES.items():
        series(root / name, tokens, change=change, rows=20, columns=20)
    (root / "DICOMDIR").write_bytes(tokens.text().encode().ljust(128) + b"DICM" + b"\0" * 40)
    (root / f"{tokens.text()}.txt").write_text(tokens.text())
    os.symlink(root / tokens.text(), root / tokens.text())
    assert len(tokens.words) > 12000
    return root, tokens.words


def disguises(word: str) -> set[bytes]:
    found = set()
    for text in {word, word.lower(), word[::-1]}:
        raw = text.encode()
        found |= {raw, text.encode("utf-16-le"), text.encode("utf-16-be"), raw.hex().encode()}
        for shift in range(3):
            # The part of the base64 text that does not depend on what stands around the word.
            coded = base64.b64encode(bytes(shift) + raw).rstrip(b"=")
            found.add(coded[-(-8 * shift // 6) : -1])
    if word.isdigit() and word.startswith("19"):
        found |= {f"{word[:4]}-{word[4:6]}-{word[6:]}".encode()}
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, word.encode(), usedforsecurity=False)
        found |= {digest.hexdigest().encode(), digest.digest(), base64.b64encode(digest.digest())}
    return found


@functools.lru_cache
def index_of(words: frozenset[str]) -> dict[bytes, list[tuple[bytes, str]]]:
    """Groups all disguises of all words by their first six bytes."""
    index = collections.defaultdict(list)
    for word in words:
        for form in disguises(word):
            index[form[:6]].append((form, word))
    return dict(index)


def leaks(haystack: bytes, words: set[str]) -> list[str]:
    """Returns the words that are found in any disguise."""
    index = index_of(frozenset(words))
    hits = (i for i in range(len(haystack) - 5) if haystack[i : i + 6] in index)
    return [
        word
        for i in hits
        for form, word in index[haystack[i : i + 6]]
        if haystack.startswith(form, i)
    ]


def everything(result: Result) -> bytes:
    """All output but pixels, names included: pixels are numbers and hold no bytes of headers."""
    parts = []
    for name, content in result.files().items():
        parts += [name.encode(), b"\0"]
        parts.append(content if not name.endswith(".tfrecord") else b"")
    for record in result.records():
        parts += [
            key.encode() + b"=" + (v if isinstance(v, bytes) else np.asarray(v).tobytes())
            for key, v in record.items()
            if key != "image/data"
        ]
    return b"\n".join(parts)


def test_no_token_is_in_any_output_or_log(tmp_path, planted, capfd, caplog, monkeypatch):
    root, words = planted
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    caplog.set_level(logging.DEBUG)
    code, result = convert(tmp_path, root, "--qa_sheet=2")
    captured = capfd.readouterr()
    counts = result.card["objects"]
    assert code == 4 and counts["converted"] >= 40 and len(counts["quarantined"]) >= 5
    logs = (captured.out + captured.err + caplog.text).encode()
    assert leaks(logs, words) == []
    assert leaks(everything(result), words) == []
    for path in result.directory.glob("*.tfrecord"):
        whole = path.read_bytes()
        assert b"CANARY" not in whole and b"1.2.840.77." not in whole
    # The same search that an operator has, over every byte, pixels included.
    assert list(output_check.check(result.directory, Needles(words))) == []
    left = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    assert leaks(b"".join(path.read_bytes() for path in left), words) == []
    assert {"size_mismatch", "decode_error"} <= set(result.reasons)


def test_bits_above_bits_stored_do_not_reach_a_record(tmp_path):
    for name in ("plain", "hidden"):
        for number, dataset in enumerate(stack(BitsStored=12, HighBit=11)):
            if name == "hidden":
                hide_above_bits_stored(dataset, "CANARY" * 50)
            save(dataset, tmp_path / name / f"{number}.dcm")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, plain = convert(tmp_path / "a", tmp_path / "plain")
    _, hidden = convert(tmp_path / "b", tmp_path / "hidden")
    assert len(plain.records()) == 6
    for one, other in zip(plain.records(), hidden.records(), strict=True):
        np.testing.assert_array_equal(one["image/data"], other["image/data"])


def test_a_writer_that_adds_a_feature_is_stopped_before_it_publishes(tmp_path, monkeypatch, capfd):
    """The mutation: pixels and numbers as before, and one feature too many."""
    write_stack(tmp_path / "in", PatientName="CANARY^NAME")

    def careless(record):
        example = tf.train.Example.FromString(serialize(record))
        example.features.feature["patient/name"].bytes_list.value.append(b"CANARY^NAME")
        return example.SerializeToString(deterministic=True)

    serialize = record_bytes.serialize
    monkeypatch.setattr(record_bytes, "serialize", careless)
    with pytest.raises(UserError, match="refused to publish") as caught:
        convert(tmp_path, tmp_path / "in")
    assert caught.value.exit_code == 7 and "CANARY" not in str(caught.value)
    assert "CANARY" not in "".join(capfd.readouterr())
    assert not any(b"CANARY" in content for content in Result(tmp_path / "out").files().values())
    assert not list((tmp_path / "out").glob("*.tfrecord"))


def test_an_interrupted_command_says_nothing_of_the_input(tmp_path, planted):
    root, words = planted
    run = subprocess.Popen(
        [
            *(sys.executable, ROOT / "tools" / "dicom_to_tfrecord.py", "--workers=1"),
            *(f"--input={root}", f"--output={tmp_path / 'out'}", f"--key_file={tmp_path / 'key'}"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "key").exists() and run.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 130 and leaks(out + err, words) == []


def test_the_search_would_find_a_token():
    words = {"CANARY000001X", "19420217"}
    for word in words:
        for form in disguises(word):
            assert leaks(b"...." + form + b"....", words)
    assert leaks(base64.b64encode(b"name: CANARY000001X!"), words)
    assert leaks(base64.b64encode(b"a name: CANARY000001X"), words)


def test_the_command_says_nothing_of_the_input(tmp_path, planted):
    root, words = planted
    run = subprocess.run(
        [
            *(
                sys.executable,
                ROOT / "tools" / "dicom_to_tfrecord.py",
                "--verbosity=2",
                "--text_guard=off",
            ),
            *(f"--input={root}", f"--output={tmp_path / 'out'}", f"--key_file={tmp_path / 'key'}"),
            "--max_bad=1",
        ],
        capture_output=True,
        timeout=120,
    )
    assert run.returncode == 4 and b"converted" in run.stdout
    assert leaks(run.stdout + run.stderr, words) == []
    assert b"warning: made a new key" in run.stderr and len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--dry_run", "--min_foreground=1"])
def test_other_ways_out_say_nothing_either(tmp_path, planted, flag, capfd):
    root, words = planted
    try:
        convert(tmp_path, root, flag)
    except UserError as error:
        print(error, repr(error), error.__cause__, error.__context__)
    captured = capfd.readouterr()
    assert leaks((captured.out + captured.err).encode(), words) == []


def test_a_fault_of_the_converter_says_nothing_either(tmp_path, planted, monkeypatch, capfd):
    root, words = planted

    def fail(*arguments):
        raise KeyError(f"{root} {arguments}")

    monkeypatch.setattr(plan, "make", fail)
    key_file(tmp_path)
    with pytest.raises(UserError, match="KeyError at ingest/survey:") as caught:
        ingest_run.run(config(tmp_path, root))
    captured = capfd.readouterr()
    told = f"{caught.value!r} {caught.value.__cause__} {captured.out} {captured.err}"
    assert caught.value.exit_code == 1 and leaks(told.encode(), words) == []


def test_another_key_changes_every_pseudonym_and_nothing_else(tmp_path, planted):
    root, _ = planted
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    key_file(tmp_path / "b", bytes(32))
    (_, one), (_, other) = (convert(tmp_path / name, root / "t2") for name in "ab")
    names = ("id/patient", "id/study", "id/series", "id/frame_of_ref", "geom/grid", "prov/key_id")
    for name in names:
        found = [{record[name] for record in result.records()} for result in (one, other)]
        assert found[0] and not found[0] & found[1], name
    for first, second in zip(one.records(), other.records(), strict=True):
        for name in set(first) - set(names):
            np.testing.assert_array_equal(first[name], second[name])
