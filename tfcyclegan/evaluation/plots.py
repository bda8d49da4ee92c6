"""Pictures beside metrics.json: per patient, intensities, extreme slices, closest training slices.

Matplotlib draws into a file without a display; nothing is written into the pictures but numbers and
the names of methods and figures.
"""

import pathlib

import numpy as np
from matplotlib.figure import Figure

from tfcyclegan import files
from tfcyclegan.data.intensity import STORED_MAX
from tfcyclegan.evaluation.scoring import MODEL, Scored

VIOLINS = ("ssim_brain", "psnr_volume")
SORTED_BY = "ssim_brain"
EXTREMES = 3
"""Slices shown of each of worst, median and best."""
DPI = 110


def draw(scored: list[Scored], output: pathlib.Path) -> list[str]:
    """Writes the plots of paired figures and returns the names of the files."""
    paired = [result for result in scored if result.case.paired is not None]
    if not paired:
        return []
    for name, picture in (
        ("per_patient.png", per_patient(paired)),
        ("bland_altman.png", bland_altman(paired)),
        ("extreme_slices.png", extreme_slices(paired)),
    ):
        save(picture, output / name)
    return ["per_patient.png", "bland_altman.png", "extreme_slices.png"]


def save(figure: Figure, path: pathlib.Path) -> None:
    """Writes a figure as PNG without the chunk that names the program and its version."""
    with files.replacing(path, suffix=path.suffix) as beside:
        figure.savefig(beside, dpi=DPI, metadata={"Software": None})


def per_patient(scored: list[Scored]) -> Figure:
    """Draws a violin and the patients' dots of each method; one row per figure."""
    figure = Figure(figsize=(5.5 * len(scored), 3.2 * len(VIOLINS)), layout="constrained")
    axes = figure.subplots(len(VIOLINS), len(scored), squeeze=False)
    for column, result in enumerate(scored):
        for row, name in enumerate(VIOLINS):
            groups = {
                method: finite
                for method, figures in result.patients.items()
                if (finite := [v for v in figures[name].values() if np.isfinite(v)])
            }
            _violins(axes[row, column], groups)
            axes[row, column].set_title(f"{result.case.name}: {name}, per patient", fontsize=9)
    return figure


def _violins(axis, groups: dict[str, list[float]]) -> None:
    for place, (method, values) in enumerate(groups.items()):
        colour = "C3" if method == MODEL else "C0"
        if len(set(values)) > 1:
            violin = axis.violinplot(values, [place], showextrema=False, showmeans=True)
            violin["bodies"][0].set_facecolor(colour)
            violin["cmeans"].set_color(colour)
        axis.plot([place] * len(values), values, ".", color=colour, alpha=0.7)
    axis.set_xticks(range(len(groups)), list(groups), rotation=25, fontsize=8)
    axis.grid(axis="y", alpha=0.3)


def bland_altman(scored: list[Scored]) -> Figure:
    """Draws the difference of mean brain intensity, synthetic minus real, over their mean."""
    figure = Figure(figsize=(5.5 * len(scored), 3.6), layout="constrained")
    axes = figure.subplots(1, len(scored), squeeze=False)[0]
    for axis, result in zip(axes, scored, strict=True):
        case = result.case.paired
        synthetic, real = (
            np.array(
                [
                    image[mask].mean()
                    for image, mask in zip(images, case.brain, strict=True)
                    if mask.any()
                ]
            )
            for images in map(case.normalised, (result.images[MODEL], case.direction.target))
        )
        difference = synthetic - real
        axis.plot((synthetic + real) / 2, difference, ".", alpha=0.6)
        # Limits of agreement: 95 % of differences lie inside, if they are normal.
        spread = 1.96 * difference.std(ddof=1) if len(difference) > 1 else 0.0
        for offset, style in ((0.0, "-"), (spread, "--"), (-spread, "--")):
            axis.axhline(difference.mean() + offset, linestyle=style, color="C3", linewidth=1)
        axis.set_title(f"{result.case.name}: mean brain intensity per slice", fontsize=9)
        axis.set_xlabel("mean of synthetic and real", fontsize=8)
        axis.set_ylabel("synthetic minus real", fontsize=8)
        axis.grid(alpha=0.3)
    return figure


def extreme_slices(scored: list[Scored]) -> Figure:
    """Shows source, synthetic, real and error of the worst, median and best slices."""
    columns = 4 * len(scored)
    figure = Figure(figsize=(1.35 * columns, 1.45 * 3 * EXTREMES), layout="constrained")
    axes = figure.subplots(3 * EXTREMES, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for block, result in enumerate(scored):
        values = result.slices[MODEL][SORTED_BY]
        for row, (rank, index) in enumerate(ranked(values)):
            images = _shown(result, index)
            for column, (title, image, top) in enumerate(images):
                axis = axes[row, 4 * block + column]
                axis.imshow(image, cmap="gray", vmin=0.0, vmax=top)
                if row == 0:
                    axis.set_title(title, fontsize=8)
            axes[row, 4 * block + 1].text(
                0.02,
                0.98,
                f"{rank} {values[index]:.3f}",
                color="yellow",
                fontsize=7,
                transform=axes[row, 4 * block + 1].transAxes,
                va="top",
            )
    figure.suptitle(f"slices by {SORTED_BY}: worst, median, best", fontsize=9)
    return figure


def _shown(one: Scored, index: int):
    case = one.case.paired
    source = case.direction.source[index, ..., 0]
    synthetic, real = (
        case.normalised(images)[index] for images in (one.images[MODEL], case.direction.target)
    )
    titles = (f"{one.case.name}: source", "synthetic", "real", "error")
    return zip(
        titles,
        (source, synthetic, real, np.abs(synthetic - real)),
        (1.0, 1.0, 1.0, 0.5),
        strict=True,
    )


def ranked(values: np.ndarray) -> list[tuple[str, int]]:
    """Returns (kind, row) of the worst, median and best finite values, at most three of each."""
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    order = order[: np.isfinite(values).sum()]
    middle = max(0, len(order) // 2 - EXTREMES // 2)
    picks = (order[:EXTREMES], order[middle : middle + EXTREMES], order[-EXTREMES:])
    kinds = ("worst", "median", "best")
    return [(kind, int(row)) for kind, rows in zip(kinds, picks, strict=True) for row in rows]


def closest_pairs(
    pairs: list[tuple[int, int, float]], fake: np.ndarray, train: np.ndarray
) -> Figure:
    """Shows synthetic slices beside the training slices they are closest to.

    Args:
        pairs: (synthetic row, training row, distance), the closest first.
        fake: uint16 [N, H, W], stored range.
        train: uint16 [M, H, W], stored range.
    """
    figure = Figure(figsize=(8.8, 5.4), layout="constrained")
    axes = figure.subplots(4, 8)
    for axis in axes.flat:
        axis.axis("off")
    for place, (fake_row, train_row, distance) in enumerate(pairs):
        left, right = axes.flat[2 * place], axes.flat[2 * place + 1]
        left.imshow(fake[fake_row], cmap="gray", vmin=0, vmax=STORED_MAX)
        right.imshow(train[train_row], cmap="gray", vmin=0, vmax=STORED_MAX)
        left.set_title("synthetic", fontsize=7)
        right.set_title(f"training, {distance:.3f}", fontsize=7)
    figure.suptitle("closest training slices of other patients", fontsize=9)
    return figure
