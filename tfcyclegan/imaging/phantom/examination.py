"""What a simulated patient's DICOM objects have in common: identity, geometry and header."""

import dataclasses
import uuid

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.scanner import Series

DATE, TIME = "20010203", "040506"
DESCRIPTION = {"t2": "t2_tse_tra", "flair": "t2_tirm_tra_dark-fluid"}


def uid(*parts) -> str:
    """Returns a UID that depends on `parts` only: a name-based UUID under 2.25 (PS3.5 B.2)."""
    name = "/".join(str(part) for part in parts)
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'tfcyclegan-phantom/{name}').int}"


@dataclasses.dataclass(frozen=True)
class Examination:
    """One patient on the table: who, how encoded, and where the grid lies in the scanner.

    Attributes:
        number: 1-based number of the patient.
        origin: Position of the grid's origin in patient coordinates (x, y, z), LPS, mm.
        axes: [3, 3], orthonormal; its columns are the directions of image columns, image rows and
            slices in patient coordinates. The technician tilts the slices a little.
    """

    seed: int
    number: int
    encoding: str
    grid: Grid
    origin: np.ndarray
    axes: np.ndarray

    def affine(self) -> np.ndarray:
        """Returns [4, 4]: (column, row, slice) index to LPS in mm."""
        matrix = np.eye(4)
        steps = np.array([self.grid.pixel, self.grid.pixel, self.grid.spacing])
        first_voxel = [self.grid.in_plane()[0], self.grid.in_plane()[0], self.grid.positions()[0]]
        matrix[:3, :3] = self.axes * steps
        matrix[:3, 3] = self.origin + self.axes @ np.array(first_voxel)
        return matrix

    def uid(self, *parts) -> str:
        """Returns a UID of this examination."""
        return uid(self.seed, self.number, *parts)


def item(**elements) -> Dataset:
    """Returns a data set of keyword to value."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def decimals(values) -> list[DSfloat]:
    """Returns values as decimal strings of at most 16 characters (PS3.5 6.2)."""
    return [DSfloat(float(value), auto_format=True) for value in np.ravel(values)]


def position(exam: Examination, index: int) -> list[DSfloat]:
    """Returns ImagePositionPatient of a slice."""
    return decimals((exam.affine() @ [0, 0, index, 1])[:3])


def orientation(exam: Examination) -> list[DSfloat]:
    """Returns ImageOrientationPatient, equal for all slices."""
    return decimals(exam.axes[:, :2].T)


def header(exam: Examination, series: Series, pixels: np.ndarray) -> Dataset:
    """Patient, study, series, equipment and pixel modules, shared by both kinds of object."""
    name = f"{exam.number:03d}"
    stored = pixels.astype("<u2")
    return item(
        SpecificCharacterSet="ISO_IR 100",
        StudyDate=DATE,
        SeriesDate=DATE,
        ContentDate=DATE,
        StudyTime=TIME,
        SeriesTime=TIME,
        ContentTime=TIME,
        AccessionNumber=f"PHANTOM{name}",
        Modality="MR",
        Manufacturer="tfcyclegan phantom",
        ManufacturerModelName="simulated head",
        DeviceSerialNumber="0",
        SoftwareVersions="1",
        InstitutionName="Phantom Hospital",
        ReferringPhysicianName="",
        StudyDescription="PHANTOM BRAIN",
        SeriesDescription=DESCRIPTION[series.sequence],
        ProtocolName=DESCRIPTION[series.sequence],
        PatientName=f"Phantom^{name}",
        PatientID=f"PHANTOM{name}",
        PatientBirthDate="",
        PatientSex="",
        BodyPartExamined="HEAD",
        PatientPosition="HFS",
        MagneticFieldStrength="3",
        StudyInstanceUID=exam.uid("study"),
        SeriesInstanceUID=exam.uid(series.sequence),
        FrameOfReferenceUID=exam.uid("frame of reference"),
        PositionReferenceIndicator="",
        StudyID=f"PHANTOM{name}",
        SeriesNumber=2 + list(DESCRIPTION).index(series.sequence),
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=exam.grid.matrix,
        Columns=exam.grid.matrix,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        BurnedInAnnotation="NO",
        PixelData=stored.tobytes(),
    )
