"""Distances of a study's table: not of single patients, so that folds are averaged.

A kernel distance by patients is the mean over folds and seeds. Its interval draws the patients of
each fold anew, the same draws for all variants and seeds, so that a difference to the reference is
paired. A Fréchet distance has no such interval, and stands beside its floor: what as many real
slices of other patients have.
"""

import statistics
from collections.abc import Iterable

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.evaluation import comparison
from tfcyclegan.evaluation.figures.entries import SEED, null, plain
from tfcyclegan.metrics.bootstrap import percentile_interval

KERNEL, FRECHET, FLOOR = "kid_patient", "fd_", "fd_floor"
BESIDE_FRECHET = ("fd_floor", "fd_ratio")
RESAMPLES, LEVEL = 2000, 0.95
NO_INTERVAL = "a mean over folds; kid_patient has an interval"
NO_RUN = "no finished run"

Cells = dict[tuple[int, int], comparison.Evaluated]
"""(fold, seed) to an evaluation."""


def of_directions(methods: dict[str, Cells], copy: Cells, reference: str) -> dict:
    """Returns direction to figure to the entries of all variants, and of copy_source.

    Args:
        methods: Variant to its evaluations.
        copy: Evaluations that know copy_source, one of each fold.
        reference: Variant that differences are taken to.
    """
    directions = sorted({d for cells in methods.values() for e in cells.values() for d in e.sums})
    return {name: _of_direction(name, methods, copy, reference) for name in directions}


def _of_direction(direction: str, methods: dict[str, Cells], copy: Cells, reference: str) -> dict:
    draws = {name: _drawn(direction, cells) for name, cells in methods.items()}
    figures = {KERNEL: {"copy_source": _mean(_values(copy, direction, "copy_source", KERNEL))}}
    for name, cells in methods.items():
        entry = _kernel(_values(cells, direction, "model", KERNEL), draws[name])
        entry["difference"] = _difference(draws[name], draws[reference], name == reference)
        figures[KERNEL][name] = entry
    names = {
        figure
        for cells in methods.values()
        for each in cells.values()
        for figure in each.report["directions"].get(direction, {}).get("model", {})
        if figure.startswith(FRECHET) and figure not in BESIDE_FRECHET
    }
    for figure in (*sorted(names), *(BESIDE_FRECHET if names else ())):
        figures[figure] = {"copy_source": _mean(_values(copy, direction, "copy_source", figure))}
        for name, cells in methods.items():
            figures[figure][name] = _mean(_values(cells, direction, "model", figure))
    return figures


def _values(cells: Cells, direction: str, method: str, figure: str) -> dict[tuple, float]:
    """Returns (fold, seed) to the value of a figure."""
    found = {}
    for cell, evaluated in cells.items():
        entry = evaluated.report["directions"].get(direction, {}).get(method, {}).get(figure)
        if entry and entry["value"] is not None:
            found[cell] = entry["value"]
    return found


def _mean(values: dict[tuple, float]) -> dict:
    if not values:
        return null(NO_RUN)
    return plain(statistics.fmean(values.values()), NO_INTERVAL, **_seeds(values))


def _seeds(values: dict[tuple, float]) -> dict:
    """Returns what each seed has that has all folds, and the deviation of that over seeds."""
    folds = {fold for fold, _ in values}
    by_seed = {
        str(seed): statistics.fmean(values[fold, seed] for fold in folds)
        for seed in sorted({seed for _, seed in values})
        if all((fold, seed) in values for fold in folds)
    }
    spread = statistics.stdev(by_seed.values()) if len(by_seed) > 1 else None
    return {"seeds": by_seed, "seed_sd": spread}


def _kernel(values: dict[tuple, float], drawn: dict[tuple, np.ndarray]) -> dict:
    if not values or not drawn:
        return _mean(values)
    low, high = interval(np.mean(list(drawn.values()), axis=0))
    value = statistics.fmean(values.values())
    return {"value": value, "ci": [low, high], **_seeds(values)}


def _drawn(direction: str, cells: Cells) -> dict[tuple, np.ndarray]:
    """Returns (fold, seed) to the kernel distance under `RESAMPLES` draws of its patients."""
    return {
        (fold, seed): metrics.kernel_distance_patient_draws(
            evaluated.sums[direction], seed=SEED + fold, resamples=RESAMPLES
        )
        for (fold, seed), evaluated in cells.items()
        if evaluated.sums.get(direction)
    }


def _difference(mine: dict[tuple, np.ndarray], other: dict[tuple, np.ndarray], itself: bool):
    both = sorted(mine.keys() & other.keys())
    if itself or not both:
        return null(NO_RUN)
    apart = np.mean([mine[cell] - other[cell] for cell in both], axis=0)
    # The first draw has each patient once.
    return {"value": float(apart[0]), "ci": list(interval(apart))}


def interval(samples: Iterable[float]) -> tuple[float, float]:
    """Returns the percentile interval of draws, those that have a distance."""
    samples = np.asarray(samples)[1:]
    low, high = percentile_interval(samples[np.isfinite(samples)], LEVEL)
    return float(low), float(high)
