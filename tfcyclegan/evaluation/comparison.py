"""Finished evaluations side by side, if they measured the same thing.

Differences are taken patient by patient and then resampled. A kernel distance draws the same
patients for both models. So what makes a patient hard for both cancels out, and an interval that
leaves out 0 says something about the models.
"""

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Iterable

from tfcyclegan import metrics
from tfcyclegan.data.training_slices import NO_PAIRS
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.evaluation import kernel_sums
from tfcyclegan.evaluation.figures.distances import (
    FEWEST,
    JACKKNIFE,
    NO_INTERVAL,
    TWO_PATIENTS,
    standard_error,
)
from tfcyclegan.evaluation.figures.entries import SEED, mean_over_patients, null, plain
from tfcyclegan.evaluation.metrics_json import SCHEMA_VERSION, figure, has_source
from tfcyclegan.evaluation.scoring import MODEL

LABELS = ("direction", "method", "patient", "n_slices")
SAME = {
    "dataset_hash": "the records",
    "split": "the split",
    "pairs_hash": "the pairs",
    "n_pairs": "the number of pairs",
    "n_slices": "the slices",
    "n_patients": "the number of patients",
    "extractor": "the feature extractor",
    "normaliser": "the intensity normaliser",
    "params.brain_mask": "the brain masks",
    "params.fluid": "the rule for fluid",
    "params.lesion_thresholder": "the lesion threshold",
    "model.domain_a": "domain a",
    "model.domain_b": "domain b",
    "model.image_size": "the size of the images in pixels",
}
"""What has to be equal in two reports, and how a refusal calls it."""
NO_PATIENTS = "the figure is not per patient"
NO_SUMS = f"the evaluations hold no {kernel_sums.FILE} of the same patients"
NOT_COMPUTED, NO_DIRECTION = null("not computed"), null("the model has not this direction")
FIRST_OF_TABLE = (
    "psnr_volume",
    "psnr_volume_brain",
    "ssim",
    "ssim_brain",
    "ssim_lesion",
    "mae_brain",
    "fluid_contrast_log_ratio",
    "ventricle_contrast_log_ratio",
    "lesion_contrast_log_ratio",
    "lesion_detection",
    "source_correlation_brain",
    "source_correlation_scalp",
    "kid_patient",
    "fd_ratio",
)
"""Figures of the printed table; compare.json has all."""


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """One finished evaluation.

    Attributes:
        label: Name in tables.
        report: metrics.json.
        patients: (direction, figure) to value by patient, of the model or another method.
        sums: Direction to what its `kid_patient` follows from.
    """

    label: str
    report: dict
    patients: dict[tuple[str, str], dict[str, float]]
    sums: dict[str, metrics.PatientKernelSums]


def load_all(paths: tuple[str, ...]) -> list[Evaluated]:
    """Reads finished evaluations.

    They are called by their directories' names, or by their paths where two names are equal.
    """
    names = [pathlib.Path(path).resolve().name for path in paths]
    labels = names if len(set(names)) == len(names) else paths
    return [load(path, label) for path, label in zip(paths, labels, strict=True)]


def load(path: str | pathlib.Path, label: str, method: str = MODEL) -> Evaluated:
    """Reads what `python -m tfcyclegan.evaluate` wrote into a directory.

    Args:
        path: The directory.
        label: Name in tables.
        method: Whose values by patient are wanted.

    Raises:
        UserError: It is no such directory, or of another schema.
    """
    directory = pathlib.Path(path)
    try:
        report = json.loads((directory / "metrics.json").read_text())
        with (directory / "metrics_per_patient.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        sums = kernel_sums.read(directory)
    except FileNotFoundError as error:
        raise UserError(
            "compare takes directories that python -m tfcyclegan.evaluate wrote, with metrics.json"
            f" and metrics_per_patient.csv. Received: {directory}.",
            ExitCode.MISSING,
        ) from error
    except (OSError, ValueError, kernel_sums.Damaged) as error:
        raise UserError(
            f"{directory} holds a report that cannot be read. Evaluate again.", ExitCode.DAMAGED
        ) from error
    version = report.get("schema_version") if isinstance(report, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{directory}: expected schema_version {SCHEMA_VERSION}. Received: {version}. Evaluate"
            " again with this version.",
            ExitCode.DAMAGED,
        )
    return Evaluated(label, report, _by_patient(rows, method), sums)


def _by_patient(rows: list[dict], method: str) -> dict[tuple[str, str], dict[str, float]]:
    values: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["method"] != method:
            continue
        for name in row.keys() - set(LABELS):
            value = float(row[name] or "nan")
            if math.isfinite(value):
                values.setdefault((row["direction"], name), {})[row["patient"]] = value
    return values


def check(runs: list[Evaluated]) -> None:
    """Raises UserError unless all runs measured the same thing; names all that differs."""
    first = runs[0]
    for run in runs[1:]:
        differences = unlike(first.report, run.report)
        if differences:
            raise UserError(
                f"{run.label} cannot be compared with {first.label}. They differ in"
                f" {'; '.join(differences)}. Evaluate both on the same records and split, with"
                " the same flags."
            )


def unlike(first: dict, other: dict, keys: Iterable[str] = tuple(SAME)) -> list[str]:
    """Returns in which of `SAME` two reports differ, and what they say of it."""
    if not all(map(has_source, (first, other))):
        keys = [key for key in keys if key != "params.brain_mask"]  # who has none looked at none
    return [
        f"{SAME[key]} ({key} {_short(_at(first, key))}, {_short(_at(other, key))})"
        for key in keys
        if _at(first, key) != _at(other, key)
    ]


def _at(report: dict, key: str):
    for name in key.split("."):
        report = report.get(name) if isinstance(report, dict) else None
    return report


def _short(value) -> str:
    if isinstance(value, dict):
        return (
            value["name"] if "name" in value else ", ".join(f"{k}: {v}" for k, v in value.items())
        )
    return str(value)


def compare(runs: list[Evaluated]) -> dict:
    """Returns what compare.json holds: every figure of every run, and differences to the first.

    A direction that only some of the runs have is shown too. The others' figures say why not.
    """
    directions = {}
    for direction in sorted({name for run in runs for name in run.report["directions"]}):
        reports = [run.report["directions"].get(direction, {}) for run in runs]
        names = dict.fromkeys(name for report in reports for name in report.get(MODEL, ()))
        copied = next(report for report in reports if report).get("copy_source", {})
        directions[direction] = {
            name: {
                "copy_source": copied.get(name, NOT_COMPUTED),
                "runs": [_entry(run, direction, name) for run in runs],
                "differences": [_difference(run, runs[0], direction, name) for run in runs[1:]],
            }
            for name in names
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": runs[0].report["notice"],
        "runs": [
            {"label": run.label, "model": run.report["model"], "warnings": run.report["warnings"]}
            for run in runs
        ],
        **{key: _at(runs[0].report, key) for key in SAME if "." not in key},
        "directions": directions,
    }


def _entry(run: Evaluated, direction: str, name: str) -> dict:
    methods = run.report["directions"].get(direction)
    return NO_DIRECTION if methods is None else methods[MODEL].get(name, NOT_COMPUTED)


def _difference(run: Evaluated, first: Evaluated, direction: str, name: str) -> dict:
    """Returns the difference run - first. Figures per patient: over the patients that both have."""
    entries = [_entry(side, direction, name) for side in (run, first)]
    for side in entries:
        if side["value"] is None:
            return null(side["reason"])
    if name == "kid_patient":
        return _kid_difference(run.sums.get(direction), first.sums.get(direction))
    if all(JACKKNIFE in side for side in entries):
        sourced = {has_source(side.report) for side in (run, first)}
        return _frechet_difference(*entries, alike=len(sourced) == 1)
    values_run, values_first = (side.patients.get((direction, name), {}) for side in (run, first))
    patients = sorted(values_run.keys() & values_first.keys())
    if not patients:
        return null(NO_PATIENTS)
    return mean_over_patients([values_run[patient] - values_first[patient] for patient in patients])


def _kid_difference(mine, other) -> dict:
    if not mine or not other or mine.patients_fake != other.patients_fake:
        return null(NO_SUMS)
    interval = metrics.kernel_distance_patient_difference(mine, other, seed=SEED)
    if min(len(mine.patients_real), len(mine.patients_fake)) < FEWEST:
        return plain(interval.estimate, TWO_PATIENTS, n_patients=interval.n_patients)
    return {
        "value": interval.estimate,
        "ci": [interval.low, interval.high],
        "n_patients": interval.n_patients,
        "resamples": interval.resamples,
    }


def _frechet_difference(mine: dict, other: dict, *, alike: bool) -> dict:
    """Returns the difference; if both leave out the same patients in turn, with its error."""
    pairs = zip(mine[JACKKNIFE], other[JACKKNIFE], strict=True) if alike else ()
    error = standard_error([a - b for a, b in pairs])
    return plain(mine["value"] - other["value"], NO_INTERVAL, standard_error=error)


def table(compared: dict) -> str:
    """Returns the main figures as Markdown, one table per direction.

    `real` is what the real images themselves have; figures that no run has are left out.
    """
    labels = [run["label"] for run in compared["runs"]]
    differences = [f"{label} - {labels[0]}" for label in labels[1:]]
    columns = ["figure", "real", "copy_source", *labels, *differences]
    lines = [
        f"{compared['n_pairs']} pairs of {compared['n_patients']} patients, split"
        f" {compared['split']}. Differences are paired by patient; 95 % intervals, or ±"
        f" one standard error. {compared['notice']}"
    ]
    for direction, figures in compared["directions"].items():
        lines += ["", f"## {direction}", "", _row(columns), _row(["---"] * len(columns))]
        # Who was shown the answers of other patients is not ranked beside who was not without it.
        pairs = [run["model"].get("trained_on_pairs", NO_PAIRS) for run in compared["runs"]]
        lines.append(_row(["trained on", "-", "-", *pairs, *["-"] * len(differences)]))
        frechet = [
            name
            for name, entries in figures.items()
            if any(JACKKNIFE in run for run in entries["runs"])
        ]
        for name in (*FIRST_OF_TABLE, *frechet):
            entries = figures.get(name)
            if entries and any(run["value"] is not None for run in entries["runs"]):
                real = next((run["real"] for run in entries["runs"] if "real" in run), None)
                cells = [
                    {"value": real},
                    entries["copy_source"],
                    *entries["runs"],
                    *entries["differences"],
                ]
                lines.append(_row([name, *map(figure, cells)]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
