"""Headers become numbers, closed names and pseudonyms; whatever cannot be trusted is refused."""

import dataclasses
import math

import numpy as np
import pydicom
import pytest
from dicom_studies import ECHOES, enhanced, image, save, stack

from tfcyclegan.imaging.dicom import headers, silence
from tfcyclegan.imaging.frames import Frame, Reading
from tfcyclegan.imaging.sequences import classify
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal

KEY = Pseudonyms(bytes(range(32)))
PIXELS = np.arange(64).reshape(8, 8)


def read(dataset, tmp_path, *, allow_derived=False) -> list[Frame]:
    blob = save(dataset, tmp_path / "x.dcm").read_bytes()
    with silence.silenced():
        return headers.read(blob, 3, KEY, Reading(allow_derived=allow_derived))


def text_element(dataset, keyword, value: bytes):
    """Puts bytes into an element that pydicom would refuse to write as a number."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    vr = pydicom.datadict.dictionary_VR(tag)
    raw = pydicom.dataelem.RawDataElement(tag, vr, len(value), value, 0, False, True)
    dataset[tag] = raw
    return dataset


def test_a_classic_header_is_read(tmp_path):
    (frame,) = read(
        image(
            PIXELS,
            sequence="flair",
            ImagePositionPatient=[1.5, -2, 3],
            PixelSpacing=[0.5, 0.75],
            FlipAngle=150,
            RescaleSlope=2,
            RescaleIntercept=-5,
            ContrastBolusAgent="NONE",
            SeriesDescription="AX T2 FLAIR",
        ),
        tmp_path,
    )
    physics = frame.physics
    assert (physics.te_ms, physics.tr_ms, physics.ti_ms, physics.flip_deg) == (110, 9000, 2500, 150)
    assert (physics.manufacturer, physics.acq_dim, physics.contrast) == ("siemens", "2d", "no")
    assert (physics.field_t, physics.etl, physics.hints) == (3.0, 21, {"flair"})
    assert (frame.position, frame.spacing) == ((1.5, -2, 3), (0.5, 0.75))
    assert (frame.slope, frame.intercept, frame.object_index, frame.thickness) == (2, -5, 3, 4)
    assert classify(physics).sequence == "flair"


def test_each_frame_of_an_enhanced_image_has_its_own_position(tmp_path):
    images = stack(slices=5, sequence="flair", RescaleSlope="2", RescaleIntercept="1")
    images[3].RescaleSlope = "4"
    order = [3, 0, 4, 1, 2]
    frames = read(enhanced(images, order), tmp_path)
    assert [f.frame_index for f in frames] == [0, 1, 2, 3, 4]
    for frame, number in zip(frames, order, strict=True):
        assert frame.position == tuple(images[number].ImagePositionPatient)
        assert frame.slope == (4 if number == 3 else 2)
    assert {classify(f.physics).sequence for f in frames} == {"flair"}
    assert frames[0].physics.te_ms == 110 and frames[0].physics.ti_ms == 2500


def test_an_enhanced_image_with_too_few_groups_is_refused(tmp_path):
    dataset = enhanced(stack(slices=5), [0, 1, 2, 3, 4])
    del dataset.PerFrameFunctionalGroupsSequence[-1]
    with pytest.raises(Refusal, match="size_mismatch"):
        read(dataset, tmp_path)


REFUSED = [
    ("burned_in", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),  # secondary capture
    ("burned_in", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}),  # its multi-frame form
    ("not_mr_image", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}),  # report
    ("burned_in", {"BurnedInAnnotation": "YES"}),
    ("burned_in", {"ConversionType": "WSD"}),
    ("derived", {"ImageType": ["DERIVED", "PRIMARY"]}),
    ("derived", {"ImageType": ["ORIGINAL", "SECONDARY"]}),
    ("localizer", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
    ("localizer", {"SeriesDescription": "3-plane localizer"}),
    ("mosaic", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}),
    ("dwi", {"ScanningSequence": ["SE", "EP"]}),
    ("no_orientation", {"ImageOrientationPatient": None}),
    ("bad_orientation", {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}),
    ("bad_orientation", {"ImageOrientationPatient": [1, 0, 0, 0.5, 0.8, 0]}),
    ("bad_orientation", {"ImageOrientationPatient": [1, 0, 0]}),
    ("no_position", {"ImagePositionPatient": None}),
    ("no_position", {"ImagePositionPatient": [1, 2]}),
    ("bad_spacing", {"PixelSpacing": None}),
    ("bad_spacing", {"PixelSpacing": [1]}),
    ("bad_spacing", {"PixelSpacing": [1, 1, 1]}),
    ("bad_spacing", {"PixelSpacing": [0, 1]}),
    ("bad_spacing", {"PixelSpacing": [-1, 1]}),
    ("bad_rescale", {"RescaleSlope": 0, "RescaleIntercept": 0}),
    ("patient_id_missing", {"PatientID": None}),
    ("patient_id_missing", {"PatientID": "  "}),
    ("patient_id_missing", {"PatientID": "Anonymous"}),
    ("patient_id_missing", {"PatientID": "0"}),
    ("no_series_uid", {"SeriesInstanceUID": None}),
    ("no_series_uid", {"StudyInstanceUID": ""}),
]


@pytest.mark.parametrize(("reason", "changes"), REFUSED)
def test_headers_that_cannot_be_trusted_are_refused(tmp_path, reason, changes):
    with pytest.raises(Refusal, match=reason):
        read(image(PIXELS, **changes), tmp_path)


@pytest.mark.parametrize(
    ("reason", "keyword", "value"),
    [
        ("bad_spacing", "PixelSpacing", b"0,9\\0,9 "),
        ("bad_spacing", "PixelSpacing", b"nan\\1 "),
        ("bad_spacing", "PixelSpacing", b"inf\\1 "),
        ("bad_rescale", "RescaleSlope", b"NaN "),
        ("bad_type", "ImagePositionPatient", b"a\\b\\c "),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path, reason, keyword, value):
    with pytest.raises(Refusal, match=reason):
        read(text_element(image(PIXELS), keyword, value), tmp_path)


@pytest.mark.parametrize("value", [b"-3", b"1.5", b"0 ", b"many"])
def test_a_number_of_frames_that_is_none_is_refused(tmp_path, value):
    dataset = enhanced(stack(slices=5), [0, 1, 2, 3, 4])
    with pytest.raises(Refusal, match="bad_type"):
        read(text_element(dataset, "NumberOfFrames", value), tmp_path)


def test_an_echo_time_that_is_no_number_makes_the_class_unsure(tmp_path):
    (frame,) = read(text_element(image(PIXELS), "EchoTime", b"TE 99 "), tmp_path)
    assert math.isnan(frame.physics.te_ms) and classify(frame.physics).reason == "unsure"


def test_what_does_not_matter_does_not_refuse(tmp_path):
    dataset = image(PIXELS, InstanceNumber=None, ImageType=None, Manufacturer=None)
    text_element(dataset, "WindowCenter", b"nan ")
    text_element(dataset, "SeriesNumber", b"99999999999999 ")
    (frame,) = read(dataset, tmp_path)
    assert frame.physics.manufacturer == "other"


def test_derived_images_are_read_when_allowed(tmp_path):
    dataset = image(PIXELS, ImageType=["DERIVED", "PRIMARY", "M"])
    assert len(read(dataset, tmp_path, allow_derived=True)) == 1


def test_the_issuer_tells_equal_patient_ids_apart(tmp_path):
    ids = {
        read(image(PIXELS, IssuerOfPatientID=issuer), tmp_path)[0].patient
        for issuer in (None, "Hospital A", "Hospital B")
    }
    assert len(ids) == 3


def test_padding_of_an_identifier_does_not_change_it(tmp_path):
    padded, bare = image(PIXELS, PatientID="12345"), image(PIXELS, PatientID="123456")
    text_element(padded, "PatientID", b"123456  ")
    assert read(padded, tmp_path)[0].patient == read(bare, tmp_path)[0].patient


@pytest.mark.parametrize(
    ("value", "tesla"), [(1.494, 1.5), (2.8936, 3.0), (15000, 1.5), (0.35, 0.35), (2.2, 2.2)]
)
def test_field_strengths_are_nominal(tmp_path, value, tesla):
    (frame,) = read(image(PIXELS, MagneticFieldStrength=value), tmp_path)
    assert frame.physics.field_t == tesla


def test_no_string_of_a_header_is_in_a_frame(tmp_path):
    words = {"PatientID": "TOKENA", "PatientName": "TOKENB", "SeriesDescription": "TOKENC t2"}
    words |= {"Manufacturer": "TOKEND", "StationName": "TOKENE", "ProtocolName": "TOKENF"}
    dataset = image(PIXELS, **words, ImageType=["ORIGINAL", "PRIMARY", "TOKENG"])
    dataset.ScanningSequence = ["SE", "TOKENH"]
    (frame,) = read(dataset, tmp_path)
    assert "TOKEN" not in str(dataclasses.asdict(frame))
    assert all(len(value) == 32 for value in (frame.patient, frame.study, frame.series))


def nested(depth: int) -> bytes:
    """Bytes of sequences within sequences, of undefined length as many exports have them."""
    begin = bytes.fromhex("08004011") + b"SQ\0\0" + b"\xff" * 4 + bytes.fromhex("feff00e0ffffffff")
    end = bytes.fromhex("feff0de000000000") + bytes.fromhex("feffdde000000000")
    return begin * depth + end * depth


@pytest.mark.parametrize("depth", [300, 20000])
def test_deep_nesting_is_a_reason_and_no_crash(tmp_path, depth):
    blob = save(image(PIXELS, StationName="HERE"), tmp_path / "x.dcm").read_bytes()
    # The station's name is (0008,1010); the sequence (0008,1140) may stand right behind it.
    at = blob.index(b"HERE") + 4
    with silence.silenced():
        found = hygiene.isolated(_read_blob, blob[:at] + nested(depth) + blob[at:])
        assert len(_read_blob(blob[:at] + nested(3) + blob[at:])) == 1
    assert found.reason == "nesting"


def _read_blob(blob):
    return headers.read(blob, 0, KEY)


def test_flipped_bits_never_make_another_class(tmp_path):
    blob = save(image(PIXELS, **ECHOES["t2"]), tmp_path / "x.dcm").read_bytes()
    end = len(blob) - PIXELS.size * 2
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(blob)
        for place in generator.integers(132, end, 3):
            damaged[place] ^= 1 << int(generator.integers(8))
        with silence.silenced():
            found = hygiene.isolated(_read_blob, bytes(damaged), reason="parse_error")
        for frame in found if isinstance(found, list) else []:
            decision = classify(frame.physics)
            assert decision.reason or decision.sequence != "flair"
