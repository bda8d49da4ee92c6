"""Case 59 of section F: a thousand damaged headers, and no crash, no wrong class, no word told.

Each mutation hits the headers of a whole series alike, since a lone slice is no volume and would
prove nothing about its class.
"""

import random
import struct

import numpy as np
import pytest
from bad_objects import case, dataset_start
from dicom_studies import save, stack
from ingest_runs import convert

from tfcyclegan.imaging import sequences
from tfcyclegan.imaging.dicom import headers, silence
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.pseudonyms import Pseudonyms

KEY = Pseudonyms(bytes(range(32)))
MUTATIONS, CONVERTED = 1000, 60
"""Headers of each class that are read, and series that are converted, pixels and all."""
VRS = b"AE AS CS DA DS DT FD FL IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT".split()
SLICES = 5
SERIES = b"1.2.840.77.8.1000"


def flipped(blob: bytearray, rng: random.Random, start: int, end: int) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        blob[rng.randrange(start, end)] ^= 1 << rng.randrange(8)


def lying(blob: bytearray, rng: random.Random, start: int, end: int) -> None:
    at = rng.choice(elements(blob, start, end)) + 6
    struct.pack_into("<H", blob, at, rng.choice((0, 1, 3, 7, 255, 4096, 65534, rng.randrange(99))))


def swapped(blob: bytearray, rng: random.Random, start: int, end: int) -> None:
    at = rng.choice(elements(blob, start, end)) + 4
    blob[at : at + 2] = rng.choice(VRS)


def cut(blob: bytearray, rng: random.Random, start: int, end: int) -> None:
    del blob[rng.randrange(start, end) :]


def elements(blob: bytearray, start: int, end: int) -> list[int]:
    """Returns the offsets of the elements of an explicit data set without sequences."""
    found = []
    while start < end:
        found.append(start)
        start += 8 + struct.unpack_from("<H", blob, start + 6)[0]
    return found


def mutated(blobs: list[bytes], seed: int) -> list[bytes]:
    """Returns a series whose files were all damaged in the same place and way."""
    found = []
    for blob in blobs:
        rng, changed = random.Random(seed), bytearray(blob)
        end = blob.index(b"\xe0\x7f\x10\0OW")
        (flipped, lying, swapped, cut)[seed % 4](changed, rng, dataset_start(blob), end)
        found.append(bytes(changed))
    return found


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, list[bytes]]:
    """Small series of each class; equal lengths keep a mutation in its place in every slice."""
    folder = tmp_path_factory.mktemp("good")
    found = {}
    for sequence in ("t1", "t2", "flair"):
        options = {"PatientName": "PLANTED^NAME", "StudyDescription": "PLANTED TEXT"}
        size = {"rows": 16, "columns": 16, "spacing": (10.0, 10.0), "slices": SLICES}
        images = stack(sequence=sequence, **size, **options)
        for number, dataset in enumerate(images):
            # Five characters each, whatever the slice.
            dataset.ImagePositionPatient = ["-75.0", "-75.0", f"{10.0 + 6 * number:.1f}"]
            dataset.InstanceNumber = "1"
            dataset.SOPInstanceUID = f"1.2.840.77.{number}"
            dataset.SeriesInstanceUID = SERIES.decode()
        found[sequence] = [save(d, folder / sequence).read_bytes() for d in images]
    return found


def frames_of(blobs: list[bytes]) -> list[Frame]:
    """Reads headers as the converter's workers do."""
    frames = []
    for index, blob in enumerate(blobs):
        with silence.silenced():
            read = hygiene.isolated(_read, blob, index, reason="parse_error")
        assert isinstance(read, hygiene.Fault) or len(read) == 1
        frames += [] if isinstance(read, hygiene.Fault) else read
    return frames


def _read(blob: bytes, index: int) -> list[Frame]:
    return headers.read(blob, index, KEY)


def accepted(frame: Frame) -> str:
    """Returns the class that a frame is accepted as, or an empty string."""
    decision = sequences.classify(frame.physics)
    excluded = sequences.exclusion(frame.physics)
    return "" if decision.reason or excluded else decision.sequence


@case(59)
def test_a_damaged_header_never_makes_another_class(originals):
    kept = dict.fromkeys(originals, 0)
    for sequence, blobs in originals.items():
        for seed in range(MUTATIONS):
            for frame in frames_of(mutated(blobs[:1], seed)):
                found = accepted(frame)
                kept[sequence] += found == sequence
                assert found == sequence or found not in ("t2", "flair"), (sequence, seed)
    assert min(kept.values()) > 50, "or the mutations are too coarse to prove anything"


@case(59)
def test_damaged_series_convert_or_are_counted(originals, tmp_path, capfd):
    seen, homes = 0, {}
    for sequence, blobs in originals.items():
        for seed in range(CONVERTED // 3):
            folder = tmp_path / "in" / f"PLANTED {sequence} {seed}"
            folder.mkdir(parents=True)
            patient = f"P{len(homes):03d}".encode()
            homes[KEY.of("patient", patient)] = sequence
            for number, blob in enumerate(mutated(blobs, seed)):
                own = blob.replace(b"PAT1", patient).replace(SERIES, SERIES[:-3] + patient[1:])
                (folder / f"PLANTED{number}").write_bytes(own)
                seen += 1
    code, result = convert(tmp_path, tmp_path / "in")
    counts, told = result.card["objects"], capfd.readouterr()
    ended = [*counts["skipped"].values(), *counts["quarantined"].values()]
    assert code == 4 and counts["seen"] == seen == counts["converted"] + sum(ended)
    assert "internal" not in counts["quarantined"]
    classes = {(homes.get(r["id/patient"].decode()), r["series/class"]) for r in result.records()}
    assert classes - {(None, b"t2"), (None, b"flair")} <= {("t2", b"t2"), ("flair", b"flair")}
    words = told.out + told.err + "".join(result.files())
    told = words.encode() + b"".join(result.files().values())
    assert b"PLANTED" not in told and b"1.2.840.77" not in told
    assert np.isfinite([r["image/scale_hi"] for r in result.records()]).all()
