"""Writes synthetic series: classic MR images that say of themselves what they are.

Everything is built from numbers, closed names and pseudonyms; of the source's own strings only
those are copied that `identity_of` reads, and only where the operator asked for it.

Reference: PS3.3, A.4 (MR Image), C.7.6.1 (General Image, derivation), C.7.5.1 and C.12.1 (equipment
that contributed); PS3.16, CID 7005, 7202 and 7203.
"""

import dataclasses
import pathlib
import uuid
from collections.abc import Iterable

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import HTJ2K, JPEG2000, ExplicitVRLittleEndian, JPEGLSNearLossless, MRImageStorage
from pydicom.valuerep import DSfloat

import tfcyclegan
from tfcyclegan.dicom import elements, parsing, silence
from tfcyclegan.dicom.frames import Frame
from tfcyclegan.intensity import STORED_MAX

WARNING = "NOT FOR DIAGNOSIS"
_ROOT = "2.25."
"""UIDs that are UUIDs (PS3.5, B.2)."""
_IMPLEMENTATION = f"{_ROOT}{uuid.uuid5(uuid.NAMESPACE_URL, 'tfcyclegan').int}"
_POSITIONS = {f"{way}{side}" for way in ("HF", "FF") for side in ("S", "P", "DL", "DR")}
_LOSSY = (JPEGLSNearLossless, JPEG2000, HTJ2K)
"""Syntaxes that are read and may lose something; where they do, the header has to say so."""
_LOSSY_METHODS = {"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_13818_2"}
_FIRST_SERIES = 1000
"""Added to the source's SeriesNumber, so that both are told apart and stay side by side."""

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
        series_number: SeriesNumber, 0 if absent.
        patient_position: An enumerated value of PatientPosition, or empty.
        lossy_ratios: LossyImageCompressionRatio; not empty if the source was ever compressed with
            loss, with 1.0 where it does not say how much.
        lossy_methods: LossyImageCompressionMethod, of a closed set.
    """

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
        stated = elements.tokens(top, "LossyImageCompression")[:1] == ("01",)
        methods = tuple(
            name
            for name in elements.tokens(top, "LossyImageCompressionMethod")
            if name in _LOSSY_METHODS
        )
        ratio = elements.number(top, "LossyImageCompressionRatio")
    lossy = stated or parsed.transfer_syntax in _LOSSY
    return Origin(
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
        found = Dataset()
        for keyword in _IDENTITY:
            if keyword in source:
                found[keyword] = source[keyword]
        return found, str(source.SOPClassUID), str(source.SOPInstanceUID)


def pseudonymous(frame: Frame) -> tuple[Dataset, str, str]:
    """Returns what stands for `identity_of` where identifiers are replaced."""
    found = item(
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
    return found, MRImageStorage, uid_of(frame.instance)


def uid_of(pseudonym: str) -> str:
    """Returns the UID that 32 hex digits stand for; equal digits, equal UID."""
    return f"{_ROOT}{uuid.UUID(hex=pseudonym, version=4).int}"


def item(**values) -> Dataset:
    """Returns a data set of keyword to value."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """Returns the item of a code sequence (PS3.3, 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def series_header(
    identity: Dataset, origin: Origin, series_uid: str, *, description: str, derivation: str
) -> Dataset:
    """Returns what all images of a derived series share.

    Args:
        identity: Of `identity_of` or `pseudonymous`.
        origin: Of the source.
        series_uid: Of the new series.
        description: SeriesDescription, at most 64 characters; ends in `WARNING`.
        derivation: How the pixels were made.
    """
    header = Dataset()
    # What the modules ask for even where nothing is known of it.
    header.update(item(StudyDate="", StudyTime="", StudyID="", AccessionNumber=""))
    header.update(item(ReferringPhysicianName="", PatientBirthDate="", PatientSex=""))
    header.update(item(PositionReferenceIndicator="", BodyPartExamined="HEAD"))
    header.update(identity)
    header.update(
        item(
            Modality="MR",
            SeriesInstanceUID=series_uid,
            SeriesNumber=_FIRST_SERIES + origin.series_number,
            SeriesDescription=description,
            PatientPosition=origin.patient_position,
            Manufacturer="tfcyclegan",
            ManufacturerModelName="tfcyclegan.translate",
            SoftwareVersions=tfcyclegan.__version__,
            ContributingEquipmentSequence=[_equipment(derivation)],
            SOPClassUID=MRImageStorage,
            ImageType=["DERIVED", "SECONDARY", "OTHER"],
            DerivationDescription=derivation,
            DerivationCodeSequence=[
                code("113085", "Spatial resampling"),
                code("SYNTHESIS", "Synthesis of one MR contrast from another", "99TFCYCLEGAN"),
            ],
            LossyImageCompression="01" if origin.lossy_ratios else "00",
            # Nothing was acquired: no echo time would be true (Research Mode, C.8.3.1.1.2).
            ScanningSequence="RM",
            SequenceVariant="NONE",
            ScanOptions="",
            MRAcquisitionType="",
            RepetitionTime=None,
            EchoTime=None,
            EchoTrainLength=None,
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            BitsAllocated=16,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=0,
            WindowCenter=decimals([STORED_MAX / 2]),
            WindowWidth=decimals([STORED_MAX]),
        )
    )
    if origin.lossy_ratios:
        header.LossyImageCompressionRatio = decimals(origin.lossy_ratios)
    if origin.lossy_methods:
        header.LossyImageCompressionMethod = list(origin.lossy_methods)
    return header


def _equipment(what: str) -> Dataset:
    return item(
        PurposeOfReferenceCodeSequence=[code("109100", "Synthesizing Equipment")],
        Manufacturer="tfcyclegan",
        SoftwareVersions=tfcyclegan.__version__,
        ContributionDescription=what,
    )


def image(
    header: Dataset, frame: Frame, pixels: np.ndarray, number: int, source: tuple[str, str]
) -> Dataset:
    """Returns one derived image, without its SOP instance UID.

    Args:
        header: Of `series_header`; not changed.
        frame: Slice that it was made from; it lies exactly there.
        pixels: uint16 [rows, columns] as the source is stored.
        number: InstanceNumber.
        source: SOP class and instance of the source's file.
    """
    made = Dataset()
    made.update(header)
    reference = item(
        ReferencedSOPClassUID=source[0],
        ReferencedSOPInstanceUID=source[1],
        SpatialLocationsPreserved="YES",
        PurposeOfReferenceCodeSequence=[
            code("121322", "Source image for image processing operation")
        ],
    )
    if source[0] != MRImageStorage:
        reference.ReferencedFrameNumber = frame.frame_index + 1
    made.update(
        item(
            InstanceNumber=number,
            SourceImageSequence=[reference],
            ImagePositionPatient=decimals(frame.position),
            ImageOrientationPatient=decimals(frame.orientation),
            PixelSpacing=decimals(frame.spacing),
            Rows=pixels.shape[0],
            Columns=pixels.shape[1],
            SliceThickness=decimals([frame.thickness]) if frame.thickness > 0 else None,
            SmallestImagePixelValue=int(pixels.min()),
            LargestImagePixelValue=int(pixels.max()),
        )
    )
    made.PixelData = np.ascontiguousarray(pixels, "<u2").tobytes()
    made["PixelData"].VR = "OW"
    return made


def decimals(values: Iterable[float]) -> list[DSfloat]:
    """Returns values as decimal strings of at most 16 characters (PS3.5, 6.2)."""
    return [DSfloat(float(value), auto_format=True) for value in values]


def save(made: Dataset, path: pathlib.Path, instance_uid: str) -> None:
    """Writes a derived image in explicit little endian.

    Raises:
        OSError: The file cannot be written.
    """
    made.SOPInstanceUID = instance_uid
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = instance_uid
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = _IMPLEMENTATION
    made.file_meta.ImplementationVersionName = "TFCYCLEGAN"
    with silence.silenced():  # identifiers that were copied may break rules of their own
        made.save_as(path, enforce_file_format=True)
