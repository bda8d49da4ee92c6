"""Age in bins of five years and sex: what may be kept of a person where somebody asks for it.

Dates are read for a difference of whole years only. A value that is not as the standard writes it
is unknown, and nothing of it is kept.
"""

import datetime
import math
import re
from collections.abc import Sequence

from tfcyclegan.data.records import AGE_BINS
from tfcyclegan.imaging.dicom import elements
from tfcyclegan.imaging.dicom.elements import Layers
from tfcyclegan.imaging.frames import Frame

UNKNOWN = "unknown"
OLDEST = 120
"""Years; above it lie placeholders such as 999Y and births in 1900."""

_BIN = 5
_SEXES = {"F": "female", "M": "male", "O": "other"}
_AGE = re.compile(r"([0-9]{3})([DWMY])")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12, "Y": 1}


def read(top: Layers) -> dict[str, str]:
    """Returns age_bin and sex of a file's patient at the time of the study, each of a closed set.

    PatientAge counts; without a usable one the years between PatientBirthDate and StudyDate do.
    """
    years = _stated(top)
    if math.isnan(years):
        years = _between(_date(top, "PatientBirthDate"), _date(top, "StudyDate"))
    return {"age_bin": age_bin(years), "sex": _SEXES.get(_only(top, "PatientSex"), UNKNOWN)}


def age_bin(years: float) -> str:
    """Returns the bin of an age in years, of records.AGE_BINS; NaN is unknown."""
    if not 0 <= years <= OLDEST:
        return UNKNOWN
    return AGE_BINS[min(int(years) // _BIN, AGE_BINS.index(UNKNOWN) - 1)]


def of_volume(frames: Sequence[Frame]) -> dict[str, str]:
    """Returns the features of records.DEMOGRAPHICS; where slices differ, one is wrong: unknown."""
    ages, sexes = ({f.age_bin for f in frames}, {f.sex for f in frames})
    return {
        "patient/age_bin": ages.pop() if len(ages) == 1 else UNKNOWN,
        "patient/sex": sexes.pop() if len(sexes) == 1 else UNKNOWN,
    }


def _only(top: Layers, keyword: str) -> str:
    """Returns the value of an element that has one, for comparing."""
    values = elements.tokens(top, keyword)
    return values[0] if len(values) == 1 else ""


def _stated(top: Layers) -> float:
    """Returns PatientAge in years (PS3.5, 6.2, AS); zero stands for not stated in many systems."""
    match = _AGE.fullmatch(_only(top, "PatientAge"))
    years = int(match[1]) / _PER_YEAR[match[2]] if match else 0.0
    return years if 0 < years <= OLDEST else math.nan


def _date(top: Layers, keyword: str) -> datetime.date | None:
    match = _DATE.fullmatch(_only(top, keyword))
    try:
        return datetime.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def _between(birth: datetime.date | None, study: datetime.date | None) -> float:
    """Returns whole years. Equal dates and negative ages were made up, so they give NaN."""
    if birth is None or study is None or birth >= study:
        return math.nan
    had_birthday = (study.month, study.day) >= (birth.month, birth.day)
    return study.year - birth.year - (not had_birthday)
