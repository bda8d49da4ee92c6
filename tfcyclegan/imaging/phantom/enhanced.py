"""A simulated series as one Enhanced MR object (PS3.3 A.36)."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from tfcyclegan.imaging.phantom.examination import (
    DATE,
    TIME,
    Examination,
    decimals,
    header,
    item,
    orientation,
    position,
)
from tfcyclegan.imaging.phantom.scanner import Series

CONTRAST = {"t2": "T2", "flair": "FLUID_ATTENUATED"}


def enhanced_image(exam: Examination, series: Series, order: np.ndarray) -> Dataset:
    """Returns all slices of a series as frames, slice `order[k]` as frame k."""
    image = header(exam, series, series.pixels[order])
    organization = exam.uid(series.sequence, "dimensions")
    group = {"DimensionOrganizationUID": organization}
    frame_content = 0x00209111
    image.update(
        item(
            ImageType=_image_type(series),
            **_description(series),
            **_pulse_sequence(series),
            SOPClassUID=EnhancedMRImageStorage,
            SOPInstanceUID=exam.uid(series.sequence, 0),
            InstanceNumber=1,
            NumberOfFrames=len(order),
            DimensionOrganizationSequence=[item(**group)],
            DimensionIndexSequence=[
                item(**group, DimensionIndexPointer=tag, FunctionalGroupPointer=frame_content)
                for tag in (0x00209056, 0x00209057)  # StackID, InStackPositionNumber
            ],
            AcquisitionContextSequence=[],
            SharedFunctionalGroupsSequence=[_shared_groups(exam, series)],
            PerFrameFunctionalGroupsSequence=[
                _frame_groups(exam, series, int(index)) for index in order
            ],
        )
    )
    return image


def _shared_groups(exam: Examination, series: Series) -> Dataset:
    """Functional groups that hold for all frames (PS3.3 C.7.6.16, C.8.13.5)."""
    return item(
        **_shared_geometry(exam),
        **_shared_timing(series),
        MRFOVGeometrySequence=[
            item(
                InPlanePhaseEncodingDirection="ROW",
                MRAcquisitionFrequencyEncodingSteps=exam.grid.matrix,
                MRAcquisitionPhaseEncodingStepsInPlane=exam.grid.matrix,
                PercentSampling="100",
                PercentPhaseFieldOfView="100",
            )
        ],
        MRReceiveCoilSequence=[
            item(
                ReceiveCoilName="HEAD",
                ReceiveCoilManufacturerName="",
                ReceiveCoilType="VOLUME",
                QuadratureReceiveCoil="YES",
            )
        ],
        MRTransmitCoilSequence=[
            item(
                TransmitCoilName="BODY",
                TransmitCoilManufacturerName="",
                TransmitCoilType="BODY",
            )
        ],
        MRAveragesSequence=[item(NumberOfAverages="1")],
    )


def _shared_geometry(exam: Examination) -> dict:
    return {
        "PixelMeasuresSequence": [
            item(
                PixelSpacing=decimals([exam.grid.pixel] * 2),
                SliceThickness=decimals(exam.grid.thickness),
                SpacingBetweenSlices=decimals(exam.grid.spacing),
            )
        ],
        "PlaneOrientationSequence": [item(ImageOrientationPatient=orientation(exam))],
        "FrameAnatomySequence": [
            item(FrameLaterality="U", AnatomicRegionSequence=[_code("69536005", "SCT", "Head")])
        ],
        "PixelValueTransformationSequence": [
            item(RescaleIntercept="0", RescaleSlope="1", RescaleType="US")
        ],
    }


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _shared_timing(series: Series) -> dict:
    protocol = series.protocol
    modifier = item(
        InversionRecovery="YES" if protocol.ti_ms else "NO",
        FlowCompensation="NONE",
        Spoiling="NONE",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        PartialFourier="NO",
        ParallelAcquisition="NO",
    )
    if protocol.ti_ms:
        modifier.InversionTimes = protocol.ti_ms
    return {
        "MRTimingAndRelatedParametersSequence": [
            item(
                RepetitionTime=decimals(protocol.tr_ms),
                FlipAngle="90",
                EchoTrainLength=protocol.echo_train,
                RFEchoTrainLength=protocol.echo_train,
                GradientEchoTrainLength=0,
                SpecificAbsorptionRateSequence=[
                    item(
                        SpecificAbsorptionRateDefinition="IEC_HEAD",
                        SpecificAbsorptionRateValue=0.0,
                    )
                ],
                GradientOutputType="DB_DT",
                GradientOutput=0.0,
                OperatingModeSequence=[
                    item(OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL")
                ],
            )
        ],
        "MREchoSequence": [item(EffectiveEchoTime=protocol.te_ms)],
        "MRModifierSequence": [modifier],
        "MRImagingModifierSequence": [
            item(
                MagnetizationTransfer="NONE",
                BloodSignalNulling="NO",
                Tagging="NONE",
                TransmitterFrequency=123.25,
                PixelBandwidth="200",
            )
        ],
        "MRImageFrameTypeSequence": [item(FrameType=_image_type(series), **_description(series))],
    }


def _frame_groups(exam: Examination, series: Series, index: int) -> Dataset:
    """Functional groups of one frame: its place in the stack, from feet to head, and in space."""
    return item(
        FrameContentSequence=[
            item(
                FrameAcquisitionNumber=1,
                FrameReferenceDateTime=DATE + TIME,
                FrameAcquisitionDateTime=DATE + TIME,
                FrameAcquisitionDuration=series.protocol.tr_ms,
                StackID="1",
                InStackPositionNumber=index + 1,
                DimensionIndexValues=[1, index + 1],
            )
        ],
        PlanePositionSequence=[item(ImagePositionPatient=position(exam, index))],
    )


def _image_type(series: Series) -> list[str]:
    return ["ORIGINAL", "PRIMARY", CONTRAST[series.sequence], "NONE"]


def _description(series: Series) -> dict:
    """Attributes of the image as a whole and of each frame (PS3.3 C.8.13.3)."""
    return {
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": "MAGNITUDE",
        "AcquisitionContrast": CONTRAST[series.sequence],
    }


def _pulse_sequence(series: Series) -> dict:
    """The MR Pulse Sequence module (PS3.3 C.8.13.4)."""
    return {
        "AcquisitionNumber": 1,
        "AcquisitionDateTime": DATE + TIME,
        "AcquisitionDuration": 180.0,
        "ContentQualification": "RESEARCH",
        "ResonantNucleus": "1H",
        "KSpaceFiltering": "NONE",
        "ApplicableSafetyStandardAgency": "IEC",
        "PulseSequenceName": "tir" if series.protocol.ti_ms else "tse",
        "MRAcquisitionType": "2D",
        "EchoPulseSequence": "SPIN",
        "MultipleSpinEcho": "NO",
        "MultiPlanarExcitation": "YES",
        "PhaseContrast": "NO",
        "TimeOfFlightContrast": "NO",
        "SteadyStatePulseSequence": "NONE",
        "EchoPlanarPulseSequence": "NO",
        "SaturationRecovery": "NO",
        "SpectrallySelectedSuppression": "NONE",
        "OversamplingPhase": "NONE",
        "GeometryOfKSpaceTraversal": "RECTILINEAR",
        "SegmentedKSpaceTraversal": "PARTIAL",
        "RectilinearPhaseEncodeReordering": "LINEAR",
        "NumberOfKSpaceTrajectories": 1,
        "LossyImageCompression": "00",
        "PresentationLUTShape": "IDENTITY",
    }
