"""Real heads in every encoding: all go through, in place, and nobody's name with them."""

import collections

import numpy as np
import pydicom
import pytest
from ingest_runs import key_file, planted_words
from mirror_models import negative, write_model
from places import MRI

from tfcyclegan import translate
from tfcyclegan.config import TranslateConfig
from tfcyclegan.ingest.verification import search

pytestmark = pytest.mark.skipif(not MRI.is_dir(), reason="needs the scans of ../shared/mri")
T2 = ("S2", "S5")
"""Folders that the collection keeps T2 series in."""


@pytest.fixture(scope="module")
def translated(tmp_path_factory):
    """Identity to the output's folder; pseudonyms for everybody, the identity for two cases."""
    folder = tmp_path_factory.mktemp("real")
    model = write_model(folder / "model", negative, negative)
    key = f"--key_file={key_file(folder)}"
    inputs = {"replaced": [MRI / "dicom"]}
    inputs["source"] = [MRI / "dicom" / case for case in ("case03", "case08")]
    for identity, paths in inputs.items():
        flags = (f"--model={model}", f"--output={folder / identity}", f"--identity={identity}", key)
        config = TranslateConfig.parse(*flags, f"--input={','.join(map(str, paths))}")
        assert translate.main(config) == 0
    return {identity: folder / identity for identity in inputs}


def planes_of(image) -> list[tuple]:
    """(position, orientation, spacing, rows, columns) of each frame, in mm to 1e-7."""
    if "PerFrameFunctionalGroupsSequence" not in image:
        found = [(image.ImagePositionPatient, image.ImageOrientationPatient, image.PixelSpacing)]
    else:
        shared = image.SharedFunctionalGroupsSequence[0]
        found = []
        for frame in image.PerFrameFunctionalGroupsSequence:
            place, turn, size = (
                (frame if name in frame else shared)[name][0]
                for name in (
                    "PlanePositionSequence",
                    "PlaneOrientationSequence",
                    "PixelMeasuresSequence",
                )
            )
            found.append((place.ImagePositionPatient, turn.ImageOrientationPatient))
            found[-1] += (size.PixelSpacing,)
    size = (image.Rows, image.Columns)
    return [(*(tuple(np.round([*map(float, v)], 7)) for v in plane), *size) for plane in found]


def test_every_t2_of_every_encoding_is_there_with_its_own_grid(translated):
    sources = collections.Counter()
    for path in sorted((MRI / "dicom").rglob("*")):
        if path.parent.name in T2 and path.is_file():
            sources.update(planes_of(pydicom.dcmread(path, stop_before_pixels=True)))
    made = collections.Counter()
    for path in translated["replaced"].rglob("*.dcm"):
        made.update(planes_of(pydicom.dcmread(path)))
    assert made == sources and sum(made.values()) == 281
    assert {plane[3:] for plane in made} >= {(448, 406), (384, 348), (384, 354), (256, 256)}


def test_no_planted_identifier_is_in_the_output(translated):
    words = planted_words(MRI / "canaries.json")
    names = {word.encode() for word in words if "^" in word}
    # The needles split names; six digits alone stand by chance in so many numbers and UIDs.
    words = {w for w in words if "^" not in w and (len(w) >= 8 or not w.isdigit())}
    needles = search.Needles(sorted(words - {"Canary", "Name"}))
    assert needles.count > 50 and len(names) > 20
    for path in translated["replaced"].rglob("*"):
        assert not needles.offsets(str(path.relative_to(translated["replaced"])).encode())
        if path.is_file():
            content = path.read_bytes()
            assert not needles.offsets(content), path.suffix
            assert not [name for name in names if name in content]


def test_with_its_identity_a_study_keeps_its_uids(translated):
    for path in translated["source"].rglob("*.dcm"):
        image = pydicom.dcmread(path)
        assert image.PatientID.startswith("CANARYID")
        assert image.SourceImageSequence[0].ReferencedSOPInstanceUID != image.SOPInstanceUID
