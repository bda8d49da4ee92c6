"""What is kept of a header: numbers, members of closed vocabularies, and pseudonyms.

No string that was read is in a `Frame`. Everything after headers.py can therefore be logged,
pickled or written without a thought for identifiers.
"""

import dataclasses
import math

KINDS = frozenset(
    ("ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "LOCALIZER", "MOSAIC", "DIFFUSION", "PERFUSION")
    + ("ADC", "EADC", "FA", "TRACEW", "MPR", "MIP", "MNIP", "PROJECTION")
    + ("M", "P", "R", "I", "MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED")
)
"""Values of ImageType and FrameType that decide anything."""

SCANNING = frozenset({"SE", "IR", "GR", "EP", "RM"})
"""Values of ScanningSequence (PS3.3, C.8.3.1)."""

HINTS = ("localizer", "flair", "t1_flair", "stir", "t2", "t1", "post_contrast")
"""What the free text can hint at; see sequences.hints."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What is accepted of a header, and what is looked at.

    Attributes:
        allow_derived: Whether ImageType DERIVED and SECONDARY are accepted.
        keep_dwi: Whether diffusion-weighted images are accepted; maps made of them never are.
        lone_studies: Whether a study without a patient becomes a patient of its own.
        with_demographics: Whether age and sex are looked at.
    """

    allow_derived: bool = False
    keep_dwi: bool = False
    lone_studies: bool = False
    with_demographics: bool = False


STRICT = Reading()


@dataclasses.dataclass(frozen=True, slots=True)
class Physics:
    """How an image was acquired. Times are in ms, angles in degrees, fields in tesla.

    NaN means that the header has no usable number; None that it does not say. `stated` is the class
    that a person gave, which no rule overrides; empty if none did.
    """

    te_ms: float = math.nan
    tr_ms: float = math.nan
    ti_ms: float = math.nan
    flip_deg: float = math.nan
    etl: float = math.nan
    field_t: float = math.nan
    b_value: float = math.nan
    scanning: frozenset[str] = frozenset()
    inversion: bool | None = None
    gradient_echo: bool | None = None
    echo_planar: bool | None = None
    kinds: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()
    acquisition_contrast: str = ""
    manufacturer: str = "other"
    acq_dim: str = "unknown"
    contrast: str = "unknown"
    stated: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels of an object are stored, and what they mean.

    Attributes:
        transfer_syntax: Registered UID, from the closed table of pixels.py.
        padding: Stored value or inclusive range that marks voxels outside the image, or None.
    """

    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool
    floating: bool
    padding: tuple[int, int] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One slice.

    Attributes:
        object_index: Position of its file in the list of inputs.
        frame_index: Position in the file, from 0.
        patient, study, series, frame_of_ref, instance: Pseudonyms.
        content: Keyed digest of the file's pixel data; empty where no other file has this instance.
        position: ImagePositionPatient, mm: centre of the first pixel.
        orientation: ImageOrientationPatient: along a row, then along a column.
        spacing: PixelSpacing, mm: between rows, between columns.
        thickness: SliceThickness, mm.
        slope, intercept: From stored values to scanner units.
        temporal, acquisition, instance_number: Tell repeated positions apart; -1 if absent.
        pixels_at: Offset of the pixel data element in the file; -1 in a deflated one.
        age_bin, sex: Of records.AGE_BINS and records.SEXES; empty where they were not asked for.
    """

    object_index: int
    frame_index: int
    patient: str
    study: str
    series: str
    frame_of_ref: str
    instance: str
    content: str
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    spacing: tuple[float, float]
    thickness: float
    slope: float
    intercept: float
    temporal: int
    acquisition: int
    instance_number: int
    physics: Physics
    layout: Layout
    pixels_at: int = -1
    age_bin: str = ""
    sex: str = ""
