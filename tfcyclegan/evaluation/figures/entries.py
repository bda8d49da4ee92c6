"""One figure of a report: a value, its interval over patients, and why one is missing.

Reports are strict JSON: what is not finite is null, and a null has a reason beside it.
"""

import csv
import io
import json
import math
import pathlib
from collections.abc import Hashable, Sequence

import numpy as np

from tfcyclegan import files, metrics

SEED = 0
"""Of every resampling and of the noise of the perturbed variants."""
ONE_PATIENT = "one patient: an interval needs two"
UNDEFINED = "not finite on the data at hand"


def entry(per_patient: dict[Hashable, float], n_slices: int, reason: str = "") -> dict:
    """Returns the mean over patients with its bootstrap interval.

    Args:
        per_patient: Patient to value; NaN where it is undefined, infinite where images are equal.
        n_slices: Slices behind the values.
        reason: Why there is no value, if there is none.

    Returns:
        value, ci ([low, high] or None), n_patients, n_slices; reason where one of them is None;
        n_identical where patients were left out because two images were equal.
    """
    values = np.array(list(per_patient.values()), np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        identical = bool(np.isposinf(values).any())
        reason = "images are identical" if identical else reason or UNDEFINED
        return {**null(reason), "n_patients": 0, "n_slices": n_slices}
    figure = {**mean_over_patients(finite), "n_slices": n_slices}
    identical = int(np.isposinf(values).sum())
    return {**figure, "n_identical": identical} if identical else figure


def mean_over_patients(values: Sequence[float], alone: str = ONE_PATIENT) -> dict:
    """Returns value, ci and n_patients of finite values, one a patient, at least one.

    Args:
        values: The values.
        alone: The reason that stands beside a single one, which has no interval.
    """
    if len(values) == 1:
        return {"value": float(values[0]), "ci": None, "reason": alone, "n_patients": 1}
    interval = metrics.patient_bootstrap(values, seed=SEED)
    return {
        "value": interval.estimate,
        "ci": [interval.low, interval.high],
        "n_patients": len(values),
    }


def null(reason: str) -> dict:
    """Returns the entry of a figure that does not exist."""
    return {"value": None, "ci": None, "reason": reason}


def plain(value: float, reason: str, **more) -> dict:
    """Returns the entry of a figure without an interval; `reason` says why it has none."""
    if not math.isfinite(value):
        return {**null(UNDEFINED), **more}
    return {"value": float(value), "ci": None, "reason": reason, **more}


def slice_means(values: np.ndarray, patients: np.ndarray) -> dict[Hashable, float]:
    """Returns the mean of the finite values [N] of each patient.

    Patients without one are absent, or infinite where two images were identical (PSNR).
    """
    identical = np.isposinf(values)
    means = metrics.patient_means(np.where(identical, np.nan, values), list(patients))
    return {**dict.fromkeys(patients[identical].tolist(), math.inf), **means}


def strict_json(report: dict) -> str:
    """Returns strict JSON; NaN and infinities become null."""

    def clean(value):
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(clean(report), indent=2, allow_nan=False) + "\n"


def write_csv(path: pathlib.Path, columns: list[str], rows: list[dict]) -> None:
    """Writes rows under a header; a figure that a row lacks or that is NaN is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    files.write(path, text.getvalue())


def _cell(value) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return str(value)
