"""Writes synthetic series: classic MR images that say of themselves what they are.

Everything is built from numbers, closed names and what origin.py took over of the source.

Reference: PS3.3, A.4 (MR Image), C.7.6.1 (General Image, derivation), C.7.5.1 and C.12.1 (equipment
that contributed); PS3.16, CID 7005, 7202 and 7203.
"""

import pathlib
import uuid

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

import tfcyclegan
from tfcyclegan.data.intensity import STORED_MAX
from tfcyclegan.imaging.dicom import silence
from tfcyclegan.imaging.dicom.items import code, decimals, item, uid_of
from tfcyclegan.imaging.dicom.origin import Origin
from tfcyclegan.imaging.frames import Frame

WARNING = "NOT FOR DIAGNOSIS"
_IMPLEMENTATION = uid_of(uuid.uuid5(uuid.NAMESPACE_URL, "tfcyclegan").hex)

_NOT_ACQUIRED = {
    # No echo time would be true (Research Mode, PS3.3, C.8.3.1.1.2).
    "ScanningSequence": "RM",
    "SequenceVariant": "NONE",
    "ScanOptions": "",
    "MRAcquisitionType": "",
    "RepetitionTime": None,
    "EchoTime": None,
    "EchoTrainLength": None,
}
_PIXELS = {
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 0,
    "WindowCenter": decimals([STORED_MAX / 2]),
    "WindowWidth": decimals([STORED_MAX]),
}


def series_header(
    identity: Dataset,
    origin: Origin,
    series_uid: str,
    *,
    number: int,
    description: str,
    derivation: str,
) -> Dataset:
    """Returns what all images of a derived series share.

    Args:
        identity: Of `origin.identity_of` or `origin.pseudonymous`.
        origin: Of the source.
        series_uid: Of the new series.
        number: SeriesNumber.
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
            SeriesNumber=number,
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
            **_NOT_ACQUIRED,
            **_PIXELS,
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
    dataset = Dataset()
    dataset.update(header)
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
    dataset.update(
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
    dataset.PixelData = np.ascontiguousarray(pixels, "<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


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
