"""From a file's bytes to frames: the boundary that no string crosses.

Everything that is read of a header is reduced here to numbers, closed names and pseudonyms.
"""

import dataclasses
import math

from tfcyclegan.imaging import sequences
from tfcyclegan.imaging.dicom import acquisition, demographics, elements, enhanced, parsing, pixels
from tfcyclegan.imaging.dicom.elements import Layers
from tfcyclegan.imaging.frames import STRICT, Frame, Layout, Physics, Reading
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal

_MR = b"1.2.840.10008.5.1.4.1.1.4"
_MULTI_FRAME = (b"1.2.840.10008.5.1.4.1.1.4.1", b"1.2.840.10008.5.1.4.1.1.4.4")
"""Enhanced MR and Legacy Converted Enhanced MR Image Storage."""
_SECONDARY_CAPTURE = b"1.2.840.10008.5.1.4.1.1.7"
"""Screenshots of whatever a monitor showed; the multi-frame classes have one more component."""

_PLACEHOLDERS = {b"", b"0", b"ANONYMOUS", b"ANONYMIZED", b"ANON", b"UNKNOWN", b"NONE", b"NA"}
"""Values of PatientID that many patients share."""

_PERPENDICULAR = 1e-3
"""Largest deviation of ImageOrientationPatient from two perpendicular unit vectors."""


def read(
    blob: bytes,
    object_index: int,
    pseudonyms: Pseudonyms,
    reading: Reading = STRICT,
) -> list[Frame]:
    """Reads the frames of one file, without decoding pixels.

    Args:
        blob: The whole file.
        object_index: Written into each frame.
        pseudonyms: Replace every identifier.
        reading: What is accepted.

    Raises:
        Refusal: The file is no MR image, not wanted, or cannot be trusted; names the series.
    """
    parsed = parsing.parse(blob, pixels=False)
    top = (parsed.dataset,)
    sop_class = elements.raw(top, "SOPClassUID")[0].rstrip(b"\0 ")
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(_SECONDARY_CAPTURE + b"."):
        raise Refusal("burned_in")
    if sop_class != _MR and sop_class not in _MULTI_FRAME:
        raise Refusal("not_mr_image")
    series = pseudonyms.of("series", elements.raw(top, "SeriesInstanceUID")[0])
    multi_frame = sop_class in _MULTI_FRAME
    try:
        frames = _frames(parsed, object_index, pseudonyms, multi_frame, reading)
    except Refusal as refusal:
        raise Refusal(refusal.reason, series) from refusal
    if not reading.with_demographics:
        return frames
    person = demographics.read(top)
    return [dataclasses.replace(frame, **person) for frame in frames]


def content(blob: bytes, pseudonyms: Pseudonyms) -> str:
    """Returns the keyed digest of a file's pixel data, which tells copies of an instance apart."""
    parsed = parsing.parse(blob, pixels=False)
    return pseudonyms.of_content(parsed.blob[parsed.pixels_at :])


def _frames(
    parsed: parsing.Parsed,
    object_index: int,
    pseudonyms: Pseudonyms,
    multi_frame: bool,
    reading: Reading,
) -> list[Frame]:
    top = (parsed.dataset,)
    count = elements.integer(top, "NumberOfFrames", 1)
    if count < 1:
        raise Refusal("bad_type")
    pixels.refuse_lossy(parsed)
    views = list(enhanced.frame_layers(parsed.dataset, count)) if multi_frame else [top]
    physics = [acquisition.physics(view) for view in views]
    _refuse_excluded(top, physics, reading)
    identity = _identity(top, pseudonyms, reading.lone_studies)
    layout = pixels.layout(parsed, count)
    if count != len(views):
        raise Refusal("size_mismatch")  # an MR image has one frame, whatever it says
    pixels_at = -1 if parsed.deflated else parsed.pixels_at
    return [
        _frame(view, facts, object_index, index, identity, layout, pixels_at)
        for index, (view, facts) in enumerate(zip(views, physics, strict=True))
    ]


def _refuse_excluded(top: Layers, physics: list[Physics], reading: Reading) -> None:
    """Refuses a file none of whose frames is a candidate; single frames are excluded later."""
    if "YES" in elements.tokens(top, "BurnedInAnnotation"):
        raise Refusal("burned_in")
    if elements.has(top, "ConversionType"):
        raise Refusal("burned_in")
    excluded = [sequences.exclusion(facts, reading) for facts in physics]
    if all(excluded):
        raise Refusal(excluded[0])


def _identity(top: Layers, pseudonyms: Pseudonyms, lone_studies: bool) -> dict[str, str]:
    """Returns the pseudonyms of a file (spec/ingestion.md, A3 and A4)."""
    uids = {
        "study": elements.raw(top, "StudyInstanceUID")[0],
        "series": elements.raw(top, "SeriesInstanceUID")[0],
        "instance": elements.raw(top, "SOPInstanceUID")[0],
    }
    if not all(uid.rstrip(b"\0 ") for uid in uids.values()):
        raise Refusal("no_series_uid")
    patient = elements.raw(top, "PatientID")[0]
    nobody = is_placeholder(patient)
    if nobody and not lone_studies:
        raise Refusal("patient_id_missing")
    issuer = elements.raw(top, "IssuerOfPatientID")[0]
    identity = {name: pseudonyms.of(name, uid) for name, uid in uids.items()}
    identity["patient"] = (
        patient_of_study(identity["study"], pseudonyms)
        if nobody
        else pseudonyms.of("patient", patient, issuer)
    )
    frame_of_ref = elements.raw(top, "FrameOfReferenceUID")[0]
    # Without a frame of reference a series shares its coordinates with nothing but itself.
    identity["frame_of_ref"] = (
        pseudonyms.of("frame_of_ref", frame_of_ref)
        if frame_of_ref.rstrip(b"\0 ")
        else pseudonyms.of("frame_of_ref_of_series", uids["series"])
    )
    return identity


def description(blob: bytes) -> str:
    """Returns SeriesDescription as it stands in the file, for the operator's own report only."""
    parsed = parsing.parse(blob, pixels=False)
    return elements.raw((parsed.dataset,), "SeriesDescription")[0].decode("latin-1").rstrip("\0 ")


def is_placeholder(patient: bytes) -> bool:
    """Tells whether a PatientID stands for nobody in particular."""
    text = patient.strip(b"\0 ").upper()
    return text in _PLACEHOLDERS or not text.strip(b"0")


def patient_of_study(study: str, pseudonyms: Pseudonyms) -> str:
    """Returns the pseudonym of a patient of whom nothing but one study is known."""
    return pseudonyms.of("patient_of_study", study.encode("ascii"))


def _frame(
    view: Layers,
    physics: Physics,
    object_index: int,
    frame_index: int,
    identity: dict[str, str],
    layout: Layout,
    pixels_at: int,
) -> Frame:
    slope, intercept = _rescale(view)
    return Frame(
        object_index=object_index,
        frame_index=frame_index,
        **identity,
        content="",
        position=_position(view),
        orientation=_orientation(view),
        spacing=_spacing(view),
        thickness=elements.number(view, "SliceThickness"),
        slope=slope,
        intercept=intercept,
        temporal=_ordinal(view, "TemporalPositionIndex", "TemporalPositionIdentifier"),
        acquisition=_ordinal(view, "FrameAcquisitionNumber", "AcquisitionNumber"),
        instance_number=_ordinal(view, "InstanceNumber"),
        physics=physics,
        layout=layout,
        pixels_at=pixels_at,
    )


def _position(view: Layers) -> tuple:
    position = elements.numbers(view, "ImagePositionPatient")
    if len(position) != 3 or not all(map(math.isfinite, position)):
        raise Refusal("no_position")
    return position


def _orientation(view: Layers) -> tuple:
    """Returns ImageOrientationPatient, which must hold two perpendicular unit vectors."""
    orientation = elements.numbers(view, "ImageOrientationPatient")
    if not orientation:
        raise Refusal("no_orientation")
    if len(orientation) != 6 or not all(map(math.isfinite, orientation)):
        raise Refusal("bad_orientation")
    row, column = orientation[:3], orientation[3:]
    products = (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))
    if max(map(abs, products)) > _PERPENDICULAR:
        raise Refusal("bad_orientation")
    return orientation


def _dot(a: tuple, b: tuple) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))


def _spacing(view: Layers) -> tuple:
    try:
        spacing = elements.numbers(view, "PixelSpacing")
    except Refusal as refusal:
        raise Refusal("bad_spacing") from refusal
    if len(spacing) != 2 or not all(math.isfinite(s) and s > 0 for s in spacing):
        raise Refusal("bad_spacing")
    return spacing


def _rescale(view: Layers) -> tuple[float, float]:
    """Returns slope and intercept; MR images need not have them (PS3.3, C.11.1)."""
    try:
        slope = elements.numbers(view, "RescaleSlope") or (1.0,)
        intercept = elements.numbers(view, "RescaleIntercept") or (0.0,)
    except Refusal as refusal:
        raise Refusal("bad_rescale") from refusal
    if slope[0] == 0 or not all(map(math.isfinite, slope + intercept)):
        raise Refusal("bad_rescale")
    return slope[0], intercept[0]


def _ordinal(view: Layers, *keywords: str) -> int:
    for keyword in keywords:
        value = elements.number(view, keyword)
        if math.isfinite(value):
            return int(value)
    return -1
