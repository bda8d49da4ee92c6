"""One slice of a held-out patient in every variant: source, translations, real.

Cut from the samples.png of the evaluations, so that nothing is translated again.
"""

import json
import pathlib

import numpy as np
from matplotlib import image
from matplotlib.figure import Figure

from tfcyclegan.data.contact_sheet import BORDER
from tfcyclegan.data.intensity import FOREGROUND
from tfcyclegan.evaluation.metrics_json import has_source
from tfcyclegan.evaluation.plots import save
from tfcyclegan.experiments.ablation.runs import Run
from tfcyclegan.experiments.ablation.study import TEST, Study


def write(study: Study, runs: list[Run], path: pathlib.Path) -> None:
    """Draws the first fold and seed that has been evaluated; nothing where none has."""
    evaluated = [run for run in runs if run.evaluated(TEST)]
    if not evaluated:
        return
    first_run = evaluated[0]
    shown_runs = [
        run for run in evaluated if (run.fold, run.seed) == (first_run.fold, first_run.seed)
    ]
    size = first_run.variant.config.image_size
    sheets = {run.variant.name: cells(run.evaluation(TEST), size) for run in shown_runs}
    save(draw(sheets), path)


def cells(folder: pathlib.Path, size: int) -> dict[str, np.ndarray]:
    """Returns the pictures of an evaluation by direction [rows, columns, size, size].

    Of samples there is one column, because they have no source.
    """
    report = json.loads((folder / "metrics.json").read_text())
    directions = report["directions"]
    sheet, step = image.imread(folder / "samples.png"), size + BORDER
    rows, columns = sheet.shape[0] // step, sheet.shape[1] // step
    grid = sheet.reshape(rows, step, columns, step)[:, :size, :, :size].transpose(0, 2, 1, 3)
    parts = np.split(grid, len(directions), axis=1)
    if not has_source(report):
        parts = [part[:, :1] for part in parts]
    return dict(zip(directions, parts, strict=True))


def draw(sheets: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Draws a row per direction: source, every variant, and the real slice where there are pairs.

    A variant that does not translate in a direction has an empty place there.

    Args:
        sheets: Variant to direction to pictures [rows, columns, size, size]; columns are source,
            synthetic and, of pairs, real and error; or samples alone.
    """
    directions = sorted({name for sheet in sheets.values() for name in sheet})
    first_sheets = [_most_columns(sheets, name) for name in directions]
    paired, sourced = first_sheets[0].shape[1] > 2, first_sheets[0].shape[1] > 1
    names = [*(["source"] if sourced else []), *sheets, *(["real"] if paired else [])]
    figure = Figure(figsize=(1.7 * len(names), 1.9 * len(directions)), layout="constrained")
    axes = figure.subplots(len(directions), len(names), squeeze=False)
    for number, (direction, first) in enumerate(zip(directions, first_sheets, strict=True)):
        # The slice with the most foreground goes through the ventricles.
        row = int(np.argmax((first[:, 0] > FOREGROUND).mean(axis=(1, 2))))
        made = [_made(sheet.get(direction), row) for sheet in sheets.values()]
        source = [first[row, 0]] if sourced else []
        images = [*source, *made, *([first[row, 2]] if paired else [])]
        for axis, name, picture in zip(axes[number], names, images, strict=True):
            if picture is not None:
                axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
            axis.set_title(name if not number else "", fontsize=8)
        if sourced:
            axes[number, 0].set_title(f"source, {direction}", fontsize=8)
    return figure


def _most_columns(sheets: dict[str, dict[str, np.ndarray]], direction: str) -> np.ndarray:
    """Returns the pictures of a variant that has a source, and the real slice where one has it."""
    return max((s[direction] for s in sheets.values() if direction in s), key=lambda p: p.shape[1])


def _made(pictures: np.ndarray | None, row: int) -> np.ndarray | None:
    """Returns the synthetic picture of a row, or a sample."""
    if pictures is None:
        return None
    return pictures[row % len(pictures), min(1, pictures.shape[1] - 1)]
