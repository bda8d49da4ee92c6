"""Small DICOM studies whose voxels are a closed-form function of the patient's coordinates.

A test names what it needs and changes single elements by keyword; everything else is a valid MR
image. Values: `ramp` is affine in x, y, z (mm), so what a converter makes of it is known exactly.
"""

import pathlib
import warnings

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
AXIAL = (1, 0, 0, 0, 1, 0)
ECHOES = {
    "t2": {"ScanningSequence": "SE", "EchoTime": 99, "RepetitionTime": 6000, "EchoTrainLength": 15},
    "flair": {
        "ScanningSequence": ["SE", "IR"],
        "EchoTime": 110,
        "RepetitionTime": 9000,
        "InversionTime": 2500,
        "EchoTrainLength": 21,
    },
    "t1": {"ScanningSequence": "SE", "EchoTime": 12, "RepetitionTime": 540, "EchoTrainLength": 1},
}
RAMP = (1000.0, 3.0, 5.0, 7.0)
"""Constant, and slope per mm to the left, to the back and to the head."""


def uid(*parts) -> str:
    """Returns the same UID for the same words."""
    return generate_uid(entropy_srcs=[str(part) for part in parts])


def coordinates(position, orientation, spacing, rows, columns) -> np.ndarray:
    """Returns the patient coordinates of every pixel, mm [rows, columns, 3] (PS3.3 C.7.6.2.1.1)."""
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return (
        np.array(position)
        + along_row * spacing[1] * j[..., None]
        + along_column * spacing[0] * i[..., None]
    )


def ramp(points: np.ndarray) -> np.ndarray:
    """Returns an affine function of coordinates [..., 3]."""
    return RAMP[0] + points @ np.array(RAMP[1:])


def blob(points: np.ndarray) -> np.ndarray:
    """Returns a head-sized ellipsoid with a marker at the patient's front left."""
    inside = ((points / np.array([60.0, 75.0, 80.0])) ** 2).sum(-1) < 1
    marker = ((points[..., :2] - np.array([35.0, -35.0])) ** 2).sum(-1) < 12**2
    return 400.0 * inside + 600.0 * (marker & inside) + 0.1 * points[..., 2] + 20.0


def position_of(index, orientation, spacing, rows, columns, gap, centre=(0, 0, 0)) -> np.ndarray:
    """Returns ImagePositionPatient of slice `index` of a stack whose field of view is centred."""
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    corner = np.array(centre) - along_row * spacing[1] * (columns - 1) / 2
    corner = corner - along_column * spacing[0] * (rows - 1) / 2
    return corner + np.cross(along_row, along_column) * gap * index


def image(stored: np.ndarray, *, sequence="t2", patient="PAT1", series="S1", study="ST1", **tags):
    """Returns one classic MR image.

    Args:
        stored: Stored values, integers [rows, columns].
        sequence: Name in `ECHOES`.
        patient, series, study: Identifiers.
        **tags: Elements by keyword; None removes one.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    position = tags.get("ImagePositionPatient") or [0, 0, 0]
    elements = {
        "SOPClassUID": MR,
        "SOPInstanceUID": uid(study, series, np.array(position).round(3).tolist()),
        "StudyInstanceUID": uid(study),
        "SeriesInstanceUID": uid(study, series),
        "FrameOfReferenceUID": uid(study, "frame"),
        "PatientID": patient,
        "PatientName": f"Name^{patient}",
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "MRAcquisitionType": "2D",
        "MagneticFieldStrength": "3",
        "SliceThickness": "4",
        "PixelSpacing": [1, 1],
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": list(AXIAL),
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        **ECHOES[sequence],
        **tags,
    }
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", MR)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2")
    if tags.get("PixelData", True) is True:
        dtype = f"{'i' if elements['PixelRepresentation'] else 'u'}{elements['BitsAllocated'] // 8}"
        dataset.PixelData = stored.astype(f"<{dtype}").tobytes()
        dataset["PixelData"].VR = "OW"
    return dataset


def save(dataset, path: pathlib.Path, syntax=ExplicitVRLittleEndian) -> pathlib.Path:
    """Writes an uncompressed data set in any of the four native encodings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    with warnings.catch_warnings():
        # Fixtures hold invalid values on purpose.
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def stack(
    *,
    slices=6,
    rows=40,
    columns=40,
    spacing=(4.0, 4.0),
    gap=6.0,
    orientation=AXIAL,
    centre=(0.0, 0.0, 0.0),
    values=blob,
    **options,
) -> list[Dataset]:
    """Returns a series of classic images, lowest slice first along cross(row, column)."""
    images = []
    for index in range(slices):
        position = position_of(index - slices / 2, orientation, spacing, rows, columns, gap, centre)
        points = coordinates(position, orientation, spacing, rows, columns)
        tags = {
            "PixelSpacing": list(spacing),
            "ImagePositionPatient": [round(float(p), 6) for p in position],
            "ImageOrientationPatient": [float(f"{c:.9g}") for c in orientation],
            "SpacingBetweenSlices": gap,
            "InstanceNumber": index + 1,
        }
        images.append(image(np.rint(values(points)), **{**tags, **options}))
    return images


def write_stack(folder: pathlib.Path, *, syntax=ExplicitVRLittleEndian, **options) -> list:
    """Writes a series, one file per slice, and returns the paths."""
    return [
        save(dataset, folder / f"im{index:03d}.dcm", syntax)
        for index, dataset in enumerate(stack(**options))
    ]


def write_study(folder: pathlib.Path, patient="PAT1", **options) -> None:
    """Writes a T2 and a FLAIR of one patient."""
    for sequence in ("t2", "flair"):
        write_stack(
            folder / sequence,
            sequence=sequence,
            patient=patient,
            study=f"study {patient}",
            series=sequence,
            **options,
        )


def _item(**elements) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


_PER_FRAME = {
    *("EchoTime", "RepetitionTime", "InversionTime", "EchoTrainLength", "ScanningSequence"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept", "PixelData"),
}
"""What an Enhanced MR image keeps in functional groups, or nowhere."""


def enhanced(images: list[Dataset], order: list[int]) -> Dataset:
    """Returns an Enhanced MR image whose frames are `images` in another order."""
    first = images[0]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    for element in first:
        if element.keyword not in _PER_FRAME:
            dataset.add(element)
    dataset.SOPClassUID, dataset.SOPInstanceUID = ENHANCED_MR, uid(first.SeriesInstanceUID, "one")
    dataset.NumberOfFrames = len(images)
    inversion = {"InversionTimes": float(first.InversionTime)} if "InversionTime" in first else {}
    dataset.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.MRTimingAndRelatedParametersSequence = Sequence(
        [_item(RepetitionTime=first.RepetitionTime, EchoTrainLength=first.EchoTrainLength)]
    )
    shared.MREchoSequence = Sequence([_item(EffectiveEchoTime=float(first.EchoTime))])
    shared.MRModifierSequence = Sequence(
        [_item(InversionRecovery="YES" if inversion else "NO", **inversion)]
    )
    shared.PixelMeasuresSequence = Sequence(
        [_item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)]
    )
    shared.PlaneOrientationSequence = Sequence(
        [_item(ImageOrientationPatient=first.ImageOrientationPatient)]
    )
    frames, pixels = [], b""
    for number in order:
        member = images[number]
        groups = _item(
            PlanePositionSequence=Sequence(
                [_item(ImagePositionPatient=member.ImagePositionPatient)]
            )
        )
        if "RescaleSlope" in member:
            groups.PixelValueTransformationSequence = Sequence(
                [_item(RescaleSlope=member.RescaleSlope, RescaleIntercept=member.RescaleIntercept)]
            )
        frames.append(groups)
        pixels += member.PixelData
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset
