"""metrics.json, its two CSVs, and the table that a terminal shows."""

import importlib.metadata
import platform

import numpy as np

import tfcyclegan
from tfcyclegan.evaluation.figures import contrast
from tfcyclegan.evaluation.figures.baselines import ABOUT
from tfcyclegan.evaluation.figures.entries import SEED
from tfcyclegan.evaluation.scoring import MODEL, Scored
from tfcyclegan.metrics import ReferenceNormaliser, lesion_spots
from tfcyclegan.metrics.extractors import Extractor

SCHEMA_VERSION = 2
NOT_FOR_DIAGNOSIS = "Research only, not for diagnosis."
PACKAGES = ("tensorflow", "keras", "numpy", "scipy")
NORMALISED = (
    "one affine map of both images from the 0.5 and 99.5 percentiles of the real target volume's"
    " brain voxels, cut to [0, 1], data range 1"
)
SHOWN = (
    "psnr_volume",
    "ssim",
    "ssim_brain",
    "mae_brain",
    "fluid_contrast_log_ratio",
    "kid_patient",
)
"""Columns of the terminal's table."""


def frame(scored: list[Scored], extractor: Extractor, protocol: str) -> dict:
    """Returns what metrics.json says of how it was made, and every figure of both directions."""
    paired = next((result.case.paired for result in scored if result.case.paired is not None), None)
    return {
        "schema_version": SCHEMA_VERSION,
        "tfcyclegan_version": tfcyclegan.__version__,
        "notice": NOT_FOR_DIAGNOSIS,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "seed": SEED,
        "protocol": protocol,
        "extractor": {
            "name": extractor.name,
            "resize": extractor.resize,
            "sha256": extractor.sha256,
            "dimension": extractor.dimension,
        },
        "normaliser": {"name": ReferenceNormaliser.NAME, "rule": NORMALISED},
        "params": {
            "interval": "95 % percentile bootstrap over patients, 2000 resamples",
            "brain_mask": None if paired is None else paired.brain_rule,
            "fluid": contrast.FLUID_RULE,
            "lesion_thresholder": lesion_spots.THRESHOLDER,
            "ssim": "Wang et al. 2004: 11-tap Gaussian, sigma 1.5, K1 0.01, K2 0.03, valid region",
            "data_range": 1.0,
        },
        "methods": {MODEL: "the model", **ABOUT},
        "directions": {result.case.name: result.entries for result in scored},
    }


def slice_rows(scored: list[Scored]) -> tuple[list[str], list[dict]]:
    """Returns columns and rows of metrics_per_slice.csv, one row per slice and method."""
    names, rows = [], []
    for result in scored:
        for method, scores in result.slices.items():
            direction = result.case.paired.direction
            names += [name for name in scores if name not in names]
            rows += [
                {
                    "direction": result.case.name,
                    "method": method,
                    "patient": direction.patients[i].decode(),
                    "series": direction.volumes[i].decode(),
                    "slice": int(direction.indices[i]),
                    **{name: float(values[i]) for name, values in scores.items()},
                }
                for i in range(len(direction.patients))
            ]
    return ["direction", "method", "patient", "series", "slice", *names], rows


def has_source(report: dict) -> bool:
    """Whether the model of a report makes its images of images."""
    return report.get("model", {}).get("kind", "translator") == "translator"


def patient_rows(scored: list[Scored]) -> tuple[list[str], list[dict]]:
    """Returns columns and rows of metrics_per_patient.csv, one row per patient and method."""
    names, rows = [], []
    for result in scored:
        owners = (
            result.case.source.metadata["id/patient"]
            if result.case.paired is None
            else result.case.paired.direction.patients
        )
        for method, figures in result.patients.items():
            if not figures:  # of samples, which are of no patient
                continue
            names += [name for name in figures if name not in names]
            for patient, count in zip(*np.unique(owners, return_counts=True), strict=True):
                values = {
                    name: by_patient[patient]
                    for name, by_patient in figures.items()
                    if patient in by_patient
                }
                rows.append(
                    {
                        "direction": result.case.name,
                        "method": method,
                        "patient": patient.decode(),
                        "n_slices": int(count),
                        **values,
                    }
                )
    return ["direction", "method", "patient", "n_slices", *names], rows


def table(report: dict) -> str:
    """Returns the main figures as lines for a terminal."""
    first = next(iter(report["directions"].values()))
    names = [name for name in SHOWN if name in first[MODEL]]
    lines = [f"{report['n_pairs']} pairs of {report['n_patients']} patients. {report['notice']}"]
    for direction, methods in report["directions"].items():
        rows = [[direction, *names]]
        for method, scores in methods.items():
            rows.append([method, *(figure(scores.get(name)) for name in names)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines.append("")
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, "", *(f"warning: {text}" for text in report["warnings"])])


def figure(score: dict | None) -> str:
    """Returns value and interval or error of an entry as text, a dash where there is none."""
    if score is None or score["value"] is None:
        return "-"
    interval, error = score.get("ci"), score.get("standard_error")
    beside = f" ± {error:.3g}" if error else ""
    if interval:
        beside = f" [{interval[0]:.3g}, {interval[1]:.3g}]"
    return f"{score['value']:.4g}{beside}"
