"""How an image was acquired, from classic and multi-frame headers alike.

Echo, repetition and inversion times decide the sequence; the rest describes a record. Strings are
compared with closed tables and never kept.
"""

import math

from tfcyclegan.imaging import sequences
from tfcyclegan.imaging.dicom import elements
from tfcyclegan.imaging.dicom.elements import Layers
from tfcyclegan.imaging.frames import KINDS, SCANNING, Physics

_MANUFACTURERS = {
    "SIEMENS": "siemens",
    "GE ": "ge",
    "GE": "ge",
    "GENERAL ELECTRIC": "ge",
    "PHILIPS": "philips",
    "CANON": "canon",
    "TOSHIBA": "canon",
    "UIH": "uih",
    "UNITED IMAGING": "uih",
    "HITACHI": "hitachi",
    "FUJIFILM": "hitachi",
}
_FIELDS_T = (0.2, 0.3, 0.35, 0.5, 0.55, 0.7, 1.0, 1.2, 1.5, 3.0, 7.0)
_TEXT_KEYWORDS = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")


def physics(view: Layers) -> Physics:
    """Returns how a frame was acquired; free text is reduced to hints and then forgotten."""
    scanning = frozenset(elements.tokens(view, "ScanningSequence")) & SCANNING
    kinds = {*elements.tokens(view, "ImageType"), *elements.tokens(view, "FrameType")}
    component = elements.tokens(view, "ComplexImageComponent")
    text = "\n".join(elements.raw(view, keyword)[0].decode("latin-1") for keyword in _TEXT_KEYWORDS)
    echo = elements.tokens(view, "EchoPulseSequence")
    hints = sequences.hints(text)
    return Physics(
        te_ms=_first(view, "EffectiveEchoTime", "EchoTime"),
        tr_ms=elements.number(view, "RepetitionTime"),
        ti_ms=_first(view, "InversionTimes", "InversionTime"),
        flip_deg=elements.number(view, "FlipAngle"),
        etl=_first(view, "RFEchoTrainLength", "EchoTrainLength"),
        field_t=_field_t(elements.number(view, "MagneticFieldStrength")),
        b_value=elements.number(view, "DiffusionBValue"),
        scanning=scanning,
        inversion=_yes_no(view, "InversionRecovery"),
        gradient_echo=echo[0] == "GRADIENT" if echo else None,
        echo_planar=_yes_no(view, "EchoPlanarPulseSequence"),
        kinds=frozenset((kinds | set(component)) & KINDS),
        hints=hints,
        acquisition_contrast=_acquisition_contrast(view),
        manufacturer=_manufacturer(view),
        acq_dim=_acq_dim(view),
        contrast=_contrast(view, hints),
    )


def _first(view: Layers, *keywords: str) -> float:
    values = (elements.number(view, keyword) for keyword in keywords)
    return next((value for value in values if math.isfinite(value)), math.nan)


def _yes_no(view: Layers, keyword: str) -> bool | None:
    values = elements.tokens(view, keyword)
    return {"YES": True, "NO": False}.get(values[0]) if values else None


def _acquisition_contrast(view: Layers) -> str:
    values = elements.tokens(view, "AcquisitionContrast")
    accepted = ("DIFFUSION", "FLUID_ATTENUATED", "STIR", "T1", "T2", "T2_STAR", "PROTON_DENSITY")
    return values[0] if values and values[0] in accepted else ""


def _manufacturer(view: Layers) -> str:
    name = " ".join(elements.tokens(view, "Manufacturer"))
    return next((out for start, out in _MANUFACTURERS.items() if name.startswith(start)), "other")


def _acq_dim(view: Layers) -> str:
    values = elements.tokens(view, "MRAcquisitionType")
    return {"2D": "2d", "3D": "3d"}.get(values[0], "unknown") if values else "unknown"


def _contrast(view: Layers, found: frozenset[str]) -> str:
    agent = elements.tokens(view, "ContrastBolusAgent")
    if "post_contrast" in found or (agent and agent[0] not in ("NONE", "NO", "")):
        return "yes"
    return "no" if agent else "unknown"


def _field_t(value: float) -> float:
    """Snaps a field strength to its nominal value: 2.8936 T is a 3 T scanner of one site."""
    tesla = value / 10000 if value > 100 else value  # old headers give gauss
    if not math.isfinite(tesla):
        return math.nan
    nominal = min(_FIELDS_T, key=lambda t: abs(t - tesla))
    return nominal if abs(nominal - tesla) <= 0.05 * nominal else round(tesla, 1)
