"""Which sequence an image is: physics decides, text breaks ties, and contradiction means unsure.

A wrong class poisons unpaired training, a skipped series costs only data, so every rule prefers
"unsure". Echo and repetition times that common tools ignore are what tells FLAIR from T1-FLAIR and
STIR; the windows are wide because real protocols are (FLAIR from TI 1650 and TE 86 to 475 ms).
"""

import dataclasses
import math
import re

from tfcyclegan.imaging.frames import HINTS, STRICT, Physics, Reading

_TEXT = {
    "localizer": re.compile(r"\b(loc|localizer|localiser|scout|survey|3.?plane|aahscout)\b"),
    "t1_flair": re.compile(r"t1.{0,6}(flair|tirm|dark.?fluid)"),
    "stir": re.compile(r"(?<![a-z])stir|short.?tau"),
    "flair": re.compile(r"flair|dark.?fluid|tirm(?!.*stir)|\bt2.?fl\b"),
    "t2": re.compile(r"(?<![a-z0-9])t2(?!\s*\*|.?star|.?\*)|t2w"),
    "t1": re.compile(r"(?<![a-z0-9])t1(?![0-9])|t1w|mprage"),
    "post_contrast": re.compile(r"\+c\b|\bpost\b|\bgad|\bgd\b|\bkm\b|\bce\b"),
}

LONGEST_TE, LONGEST_TR = 1000.0, 60_000.0
"""Times beyond these, in ms, are errors of the header; NaN is no time either."""

_EXCLUDED_KINDS = (
    ("localizer", {"LOCALIZER"}),
    ("mosaic", {"MOSAIC"}),
    ("not_magnitude", {"PHASE", "REAL", "IMAGINARY", "P", "R", "I"}),
    ("derived", {"ADC", "EADC", "FA", "PERFUSION", "MPR", "MIP", "MNIP", "PROJECTION"}),
)
_DIFFUSION_KINDS = {"DIFFUSION", "TRACEW"}

_CONTRADICTED = {
    "t2": {"flair", "t1_flair", "stir", "t1"},
    # "T2" in the name of a FLAIR is how most of them are named; the reverse is a contradiction.
    "flair": {"t1_flair", "stir", "t1"},
    "t1": {"t2", "flair", "t1_flair", "stir"},
}
"""Hints that speak against what the physics says; other classes have no names to trust."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """A class, how sure it is, and why it is not another.

    Attributes:
        sequence: Of records.SEQUENCES; "other" where nothing is proposed.
        confidence: 0 to 1.
        reason: Empty if accepted as `sequence`, else "unsure".
    """

    sequence: str
    confidence: float
    reason: str = ""


def hints(text: str) -> frozenset[str]:
    """Reduces free text (SeriesDescription, ProtocolName, SequenceName) to names of `HINTS`.

    "t2_tirm_dark-fluid" and "FLAIR_3D_T2SPACE" name a T2 too, and "T1 FLAIR" a FLAIR, so the more
    specific hint removes the more general one.
    """
    text = text.lower().replace("_", " ")
    names = {name for name in HINTS if _TEXT[name].search(text)}
    if names & {"t1_flair", "stir"}:
        names -= {"flair", "t2"}
    if "flair" in names:
        names -= {"t2"}
    return frozenset(names)


def exclusion(physics: Physics, reading: Reading = STRICT) -> str:
    """Returns the reason why an image is no candidate whatever its contrast, or an empty string.

    Args:
        physics: Of the image.
        reading: What is accepted.
    """
    for reason, kinds in _EXCLUDED_KINDS:
        if physics.kinds & kinds:
            return reason
    if "localizer" in physics.hints:
        return "localizer"
    if not reading.keep_dwi and (_is_diffusion(physics) or _is_echo_planar(physics)):
        return "dwi"
    if not reading.allow_derived and physics.kinds & {"DERIVED", "SECONDARY"}:
        return "derived"
    return ""


def _is_diffusion(physics: Physics) -> bool:
    declared = physics.acquisition_contrast == "DIFFUSION" or physics.kinds & _DIFFUSION_KINDS
    return physics.b_value > 0 or bool(declared)


def _is_echo_planar(physics: Physics) -> bool:
    return "EP" in physics.scanning or bool(physics.echo_planar)


def classify(physics: Physics) -> Decision:
    """Returns the class of an image that `exclusion` let pass."""
    if physics.stated:
        return Decision(physics.stated, 1.0)
    decision = _by_physics(physics)
    if decision.reason:
        return decision
    if physics.hints & _CONTRADICTED.get(decision.sequence, set()):
        return Decision(decision.sequence, 0.4, "unsure")
    if decision.sequence in physics.hints:
        confidence = min(1.0, round(decision.confidence + 0.05, 2))
        return dataclasses.replace(decision, confidence=confidence)
    return decision


def _by_physics(physics: Physics) -> Decision:
    if _is_diffusion(physics) or _is_echo_planar(physics):
        # Without a b-value above 0 it may be the b=0 image, which is a T2, or no diffusion at all.
        return Decision("dwi", 0.9) if physics.b_value > 0 else Decision("dwi", 0.4, "unsure")
    if _is_gradient_echo(physics):
        return Decision("t2_star" if 10 <= physics.te_ms <= LONGEST_TE else "other", 0.8)
    if not (0 < physics.te_ms <= LONGEST_TE and 0 < physics.tr_ms <= LONGEST_TR):
        return Decision(_by_text(physics), 0.2, "unsure")
    if _is_inversion(physics):
        return _inversion_recovery(physics)
    return _spin_echo(physics)


def _is_gradient_echo(physics: Physics) -> bool:
    declared = "GR" in physics.scanning and "SE" not in physics.scanning
    # An inversion-prepared gradient echo (MPRAGE) has GR and IR; no FLAIR is read out that way.
    return declared or physics.gradient_echo is True


def _is_inversion(physics: Physics) -> bool:
    return "IR" in physics.scanning or physics.inversion is True or physics.ti_ms > 0


def _inversion_recovery(physics: Physics) -> Decision:
    # The limits are those of docs/ingestion.md, "Which sequence it is".
    te, tr, ti = physics.te_ms, physics.tr_ms, physics.ti_ms
    if math.isnan(ti) or ti <= 0:
        if te >= 70 and tr >= 4000 and "flair" in physics.hints:
            return Decision("flair", 0.7)
        return Decision(_by_text(physics), 0.3, "unsure")
    if ti < 400:
        return Decision("stir", 0.9)
    if ti < 1400 or te < 50:
        return Decision("t1_flair", 0.8)
    if ti <= 3500 and te >= 60 and tr >= 2500:
        return Decision("flair", 0.95)
    return Decision("flair", 0.4, "unsure")


def _spin_echo(physics: Physics) -> Decision:
    # The limits are those of docs/ingestion.md, "Which sequence it is". That of TE is wide, because
    # a 3D T2 (SPACE) has one of 455 ms (spec/ingestion.md, C).
    te, tr = physics.te_ms, physics.tr_ms
    if te < 40:
        return Decision("t1", 0.9) if tr < 1500 else Decision("pd", 0.8)
    if not 60 <= te <= 600 or tr < 2000:
        return Decision("t2" if te >= 60 else "pd", 0.4, "unsure")
    if physics.scanning and "SE" not in physics.scanning and physics.gradient_echo is not False:
        return Decision("t2", 0.4, "unsure")
    if physics.acquisition_contrast in ("FLUID_ATTENUATED", "STIR"):
        return Decision("t2", 0.4, "unsure")
    # An echo train of one at such an echo time is a conventional or a diffusion spin echo.
    if physics.etl <= 1:
        return Decision("t2", 0.5, "unsure")
    return Decision("t2", 0.95)


def _by_text(physics: Physics) -> str:
    for name in ("flair", "t1_flair", "stir", "t2", "t1"):
        if name in physics.hints:
            return name
    return "other"
