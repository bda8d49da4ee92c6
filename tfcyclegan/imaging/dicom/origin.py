"""What a derived series takes over of its source, besides geometry and pixels.

Without --identity=source that is a number and closed names; every identifier is replaced.
"""

import dataclasses

from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    EnhancedMRImageStorage,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)

from tfcyclegan.imaging.dicom import elements, parsing, silence
from tfcyclegan.imaging.dicom.items import code, item, uid_of
from tfcyclegan.imaging.frames import Frame

_CLASSES = (MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
_POSITIONS = {f"{way}{side}" for way in ("HF", "FF") for side in ("S", "P", "DL", "DR")}
_LOSSY = (JPEGLSNearLossless, JPEG2000, HTJ2K)
"""Syntaxes that are read and may lose something; where they do, the header has to say so."""
_LOSSY_METHODS = {"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_13818_2"}

_IDENTITY = (
    "SpecificCharacterSet",
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientAge", "PatientSize", "PatientWeight", "OtherPatientIDs"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName", "InstitutionName"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "BodyPartExamined"),
)
"""What --identity=source copies: patient, study and frame of reference."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """What of a source's header goes into the derived series besides `Frame`.

    Attributes:
        sop_class: SOPClassUID, one of three that ingestion accepts.
        series_number: SeriesNumber, 0 if absent.
        patient_position: An enumerated value of PatientPosition, or empty.
        lossy_ratios: LossyImageCompressionRatio; not empty if the source was ever compressed with
            loss, with 1.0 where it does not say how much.
        lossy_methods: LossyImageCompressionMethod, of a closed set.
    """

    sop_class: str
    series_number: int
    patient_position: str
    lossy_ratios: tuple[float, ...]
    lossy_methods: tuple[str, ...]


def origin_of(blob: bytes) -> Origin:
    """Reads the origin of a series from one of its files.

    Raises:
        Refusal: The file cannot be parsed.
    """
    with silence.silenced():
        parsed = parsing.parse(blob, pixels=False)
        top = (parsed.dataset,)
        position = elements.tokens(top, "PatientPosition")[:1]
        number = elements.number(top, "SeriesNumber")
        sop_class = elements.tokens(top, "SOPClassUID")[0]
        stated = elements.tokens(top, "LossyImageCompression")[:1] == ("01",)
        methods = tuple(
            name
            for name in elements.tokens(top, "LossyImageCompressionMethod")
            if name in _LOSSY_METHODS
        )
        ratio = elements.number(top, "LossyImageCompressionRatio")
    lossy = stated or parsed.transfer_syntax in _LOSSY
    return Origin(
        sop_class=sop_class if sop_class in _CLASSES else MRImageStorage,
        series_number=int(number) if 0 < number < 100_000 else 0,
        patient_position=position[0] if position and position[0] in _POSITIONS else "",
        lossy_ratios=((ratio if ratio >= 1 else 1.0),) if lossy else (),
        lossy_methods=methods[:1],
    )


def identity_of(blob: bytes) -> tuple[Dataset, str, str]:
    """Returns (identifying elements, SOPClassUID, SOPInstanceUID) of a file, as they stand in it.

    Raises:
        Refusal: The file cannot be parsed.
    """
    with silence.silenced():
        source = parsing.parse(blob, pixels=False).dataset
        identity = Dataset()
        for keyword in _IDENTITY:
            if keyword in source:
                identity[keyword] = source[keyword]
        return identity, str(source.SOPClassUID), str(source.SOPInstanceUID)


def pseudonymous(frame: Frame, sop_class: str) -> tuple[Dataset, str, str]:
    """Returns what stands for `identity_of` where identifiers are replaced.

    Args:
        frame: With the pseudonyms.
        sop_class: Of its file.
    """
    identity = item(
        PatientName=f"Pseudonym^{frame.patient}",
        PatientID=frame.patient,
        PatientBirthDate="",
        PatientSex="",
        StudyInstanceUID=uid_of(frame.study),
        FrameOfReferenceUID=uid_of(frame.frame_of_ref),
        PatientIdentityRemoved="YES",
        DeidentificationMethod="Identifiers replaced by keyed pseudonyms or left out",
        DeidentificationMethodCodeSequence=[
            code("113100", "Basic Application Confidentiality Profile")
        ],
        LongitudinalTemporalInformationModified="REMOVED",
    )
    return identity, sop_class, uid_of(frame.instance)
