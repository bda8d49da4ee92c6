"""Writes a simulated series as DICOM: one file a slice, or one Enhanced MR object of all frames.

Built after PS3.3 A.4 (MR Image) and A.36 (Enhanced MR Image); dciodvfy finds no error in either.
"""

import pathlib

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from tfcyclegan.imaging.phantom.enhanced import enhanced_image
from tfcyclegan.imaging.phantom.examination import (
    DATE,
    TIME,
    Examination,
    decimals,
    header,
    item,
    orientation,
    position,
    uid,
)
from tfcyclegan.imaging.phantom.scanner import Series

ENCODINGS = ("explicit", "implicit", "enhanced")


def write_series(directory: pathlib.Path, exam: Examination, series: Series, rng) -> None:
    """Writes one series into `directory`, which is made.

    Instance numbers follow the position for explicit files only; implicit files are numbered, and
    enhanced frames ordered, at random, as exports do: only the position can be trusted.
    """
    directory.mkdir(parents=True)
    slices = exam.grid.slices
    order = np.arange(slices) if exam.encoding == "explicit" else rng.permutation(slices)
    if exam.encoding == "enhanced":
        _save(enhanced_image(exam, series, order), directory / "IM0001.dcm", exam.encoding)
        return
    for number, index in enumerate(order, 1):
        image = _classic(exam, series, int(index), number)
        _save(image, directory / f"IM{number:04d}.dcm", exam.encoding)


def _save(image: Dataset, path: pathlib.Path, encoding: str) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    implicit = encoding == "implicit"
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    # Fixed here, so that the bytes do not depend on the version of the DICOM library.
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "PHANTOM_1"
    image.file_meta = meta
    image.save_as(path, enforce_file_format=True)


def _classic(exam: Examination, series: Series, index: int, number: int) -> Dataset:
    protocol = series.protocol
    image = header(exam, series, series.pixels[index])
    image.update(
        item(
            ImageType=["ORIGINAL", "PRIMARY", "M"],
            SOPClassUID=MRImageStorage,
            SOPInstanceUID=exam.uid(series.sequence, index),
            InstanceNumber=number,
            AcquisitionNumber=1,
            AcquisitionDate=DATE,
            AcquisitionTime=TIME,
            ScanningSequence=["SE", "IR"] if protocol.ti_ms else "SE",
            SequenceVariant="SK",
            ScanOptions="",
            MRAcquisitionType="2D",
            RepetitionTime=decimals(protocol.tr_ms),
            EchoTime=decimals(protocol.te_ms),
            EchoTrainLength=protocol.echo_train,
            FlipAngle="90",
            NumberOfAverages="1",
            SliceThickness=decimals(exam.grid.thickness),
            SpacingBetweenSlices=decimals(exam.grid.spacing),
            PixelSpacing=decimals([exam.grid.pixel] * 2),
            ImageOrientationPatient=orientation(exam),
            ImagePositionPatient=position(exam, index),
        )
    )
    if protocol.ti_ms:
        image.InversionTime = decimals(protocol.ti_ms)
    return image
