"""A run's validation by epoch, beside what the evaluation says of the same figures."""

import csv
import pathlib

import numpy as np
from matplotlib.figure import Figure

from tfcyclegan.evaluation.scoring import MODEL, Scored

FIGURES = {"psnr_volume": "psnr_volume_unit", "kid_patient": "kid_patient"}
"""Scores of validation, and their twin in an evaluation. A Frechet distance has none: its bias
depends on the number of slices."""
FLOORS = {"kid_patient": 0.0}
"""What two sets of real patients have on average."""
VALIDATED_WITH = "randconv_v1"
"""Extractor of validation; distances over another one are not drawn beside its own."""


def curves(workdir: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns (epochs, values) of each column of history.csv that validation filled."""
    path = pathlib.Path(workdir) / "history.csv"
    if not workdir or not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {}
    for name in rows[0] if rows else ():
        points = [(float(row["epoch"]), float(row[name])) for row in rows if row[name]]
        if points and name.startswith("val_"):
            columns[name] = tuple(np.array(points).T)
    return columns


def figure(workdir: str, scored: list[Scored], extractor: str) -> Figure | None:
    """Draws the validation of a run by epoch, with the evaluated value and its interval as a band.

    Args:
        workdir: Of the run; empty where a SavedModel was evaluated.
        scored: Both directions.
        extractor: Name of the evaluation's; another than validation's has other distances.

    Returns:
        The figure, None where the run was never validated.
    """
    history = curves(workdir)
    names = [
        n for n in FIGURES if any(f"val_{n}_{result.case.name}" in history for result in scored)
    ]
    if not names:
        return None
    picture = Figure(figsize=(5.5 * len(scored), 3.0 * len(names)), layout="constrained")
    axes = picture.subplots(len(names), len(scored), squeeze=False)
    for row, name in enumerate(names):
        for axis, result in zip(axes[row], scored, strict=True):
            epochs, values = history.get(f"val_{name}_{result.case.name}", ([], []))
            axis.plot(epochs, values, ".-", color="C0", label="validation")
            if name in FLOORS:
                axis.axhline(FLOORS[name], color="0.5", linestyle=":", label="floor")
            if name != "kid_patient" or extractor == VALIDATED_WITH:
                _band(axis, result.entries[MODEL].get(FIGURES[name]))
            axis.set_title(f"{result.case.name}: {name}", fontsize=9)
            axis.set_xlabel("epoch", fontsize=8)
            axis.grid(alpha=0.3)
            axis.legend(fontsize=7)
    return picture


def _band(axis, entry: dict | None) -> None:
    if entry is None or entry["value"] is None:
        return
    axis.axhline(entry["value"], color="C3", linewidth=1, label="evaluated")
    if entry["ci"]:
        axis.axhspan(*entry["ci"], color="C3", alpha=0.12, label="95 % over patients")
