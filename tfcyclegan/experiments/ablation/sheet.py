"""One slice of a held-out patient in every variant: source, translations, real.

Cut from the samples.png of the evaluations, so that nothing is translated again.
"""

import pathlib

import numpy as np
from matplotlib import image as pictures
from matplotlib.figure import Figure

from tfcyclegan.data.contact_sheet import BORDER
from tfcyclegan.data.intensity import FOREGROUND
from tfcyclegan.evaluation.plots import save
from tfcyclegan.experiments.ablation.runs import Run
from tfcyclegan.experiments.ablation.study import TEST, Study

DIRECTIONS = ("a_to_b", "b_to_a")


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
    sheets = {
        run.variant.name: cells(run.evaluation(TEST) / "samples.png", size) for run in shown_runs
    }
    save(draw(sheets), path)


def cells(path: pathlib.Path, size: int) -> np.ndarray:
    """Returns the pictures of a samples.png [directions, rows, columns, size, size]."""
    sheet, step = pictures.imread(path), size + BORDER
    rows, columns = sheet.shape[0] // step, sheet.shape[1] // step
    grid = sheet.reshape(rows, step, columns, step)[:, :size, :, :size].transpose(0, 2, 1, 3)
    grid = grid.reshape(rows, len(DIRECTIONS), columns // len(DIRECTIONS), size, size)
    return grid.transpose(1, 0, 2, 3, 4)


def draw(sheets: dict[str, np.ndarray]) -> Figure:
    """Draws a row per direction: source, every variant, and the real slice where there are pairs.

    Args:
        sheets: Variant to pictures [directions, rows, columns, size, size]; columns are source,
            synthetic and, of pairs, real and error.
    """
    first_sheet = next(iter(sheets.values()))
    paired = first_sheet.shape[2] > 2
    names = ["source", *sheets, *(["real"] if paired else [])]
    figure = Figure(figsize=(1.7 * len(names), 3.8), layout="constrained")
    axes = figure.subplots(len(DIRECTIONS), len(names), squeeze=False)
    for number, direction in enumerate(DIRECTIONS):
        # The slice with the most foreground goes through the ventricles.
        row = int(np.argmax((first_sheet[number, :, 0] > FOREGROUND).mean(axis=(1, 2))))
        images = [
            first_sheet[number, row, 0],
            *(sheet[number, row, 1] for sheet in sheets.values()),
        ]
        images += [first_sheet[number, row, 2]] if paired else []
        for axis, name, image in zip(axes[number], names, images, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
            axis.set_title(name if not number else "", fontsize=8)
        axes[number, 0].set_title(f"source, {direction}", fontsize=8)
    return figure
