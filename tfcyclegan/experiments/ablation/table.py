"""From the evaluations of a study to its table: means, intervals, spreads and differences.

A patient's value is the mean over seeds. Intervals resample patients. The spread over seeds is the
standard deviation of the means over patients, and only seeds that have all folds count.
"""

import statistics

from tfcyclegan.data.training_slices import pairs_of
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.evaluation import comparison, scoring
from tfcyclegan.evaluation.figures.baselines import BASELINES
from tfcyclegan.evaluation.figures.entries import mean_over_patients, null
from tfcyclegan.evaluation.metrics_json import NOT_FOR_DIAGNOSIS, has_source
from tfcyclegan.experiments.ablation import distances
from tfcyclegan.experiments.ablation.runs import Run, done, every, known_rate
from tfcyclegan.experiments.ablation.study import TEST, Study
from tfcyclegan.training.rundir.workdir import recorded

COPY = "copy_source"
FIGURES = {
    "psnr_volume": "volume PSNR, dB",
    "psnr_volume_brain": "brain PSNR, dB",
    "ssim_brain": "brain SSIM",
    "ssim": "SSIM of the frame",
    "psnr_volume_lesion": "PSNR in lesions, dB",
    "ventricle_contrast_log_ratio": "ventricles",
    "fluid_contrast_log_ratio": "fluid",
    "lesion_contrast_log_ratio": "lesions",
    "lesion_detection": "lesions found",
    "lesion_false_positives_free_slices": "spots invented",
    "lesion_spot_prevalence": "slices with a spot",
    "source_correlation_brain": "correlation in the brain",
    "source_correlation_scalp": "in the scalp",
}
"""Figures of an evaluation, and how the table calls them."""
PRIVATE = (
    "Pictures in this directory show patients: sheet.png, and samples.png and report.html of the"
    " evaluations. They stay here."
)
OF_RULES = (
    "dataset_hash",
    "extractor",
    "normaliser",
    "params.fluid",
    "params.lesion_thresholder",
)
"""What evaluations of different patients have in common; only some may have brain masks."""
ONE_PATIENT, NO_RUN = "one patient", "no finished run"

Loaded = tuple[Run, str, comparison.Evaluated]
"""A run, a method, and what its evaluation says of it."""
Cells = dict[tuple[int, int], dict[str, float]]
"""(fold, seed) to patient to value."""


def collect(study: Study, runs: list[Run]) -> dict:
    """Returns what table.json holds."""
    loaded = load(study, runs)
    return {
        "title": study.title,
        "notice": NOT_FOR_DIAGNOSIS,
        "pictures": "" if study.phantom else PRIVATE,
        "reference": study.reference,
        "folds": study.folds,
        "runs": {"planned": len(runs), "done": sum(done(run, study) for run in runs)},
        "variants": {variant.name: _lengths(variant.name, runs) for variant in study.variants},
        "failed": {
            str(run): text
            for run in runs
            if not done(run, study) and (text := run.account()["failed"])
        },
        "brain_masks": {name: _brain_masks(evaluations) for name, evaluations in loaded.items()},
        "sets": {name: _set(study, _values(evaluations)) for name, evaluations in loaded.items()},
        "distances": {
            name: distances.of_directions(*_by_method(study, evaluations), study.reference)
            for name, evaluations in loaded.items()
        },
    }


def _by_method(study: Study, loaded: list[Loaded]) -> tuple[dict, dict]:
    """Returns variant to (fold, seed) to its evaluation, and one evaluation of each fold."""
    cells = {variant.name: {} for variant in study.variants}
    for run, method, evaluated in loaded:
        if method not in BASELINES:
            cells[method][run.fold, run.seed] = evaluated
    firsts = {}
    for of_variant in cells.values():
        for (fold, _), evaluated in of_variant.items():
            firsts.setdefault((fold, 0), evaluated)
    return cells, firsts


def _lengths(name: str, runs: list[Run]) -> dict:
    """Returns how many runs of a variant have finished training, how long, and on which pairs."""
    accounts = [(run, run.account()) for run in runs if run.variant.name == name]
    finished = [account for _, account in accounts if account["trained"]]
    trained = [run.directory / "workdir" for run, account in accounts if account["trained"]]
    steps = 0
    if finished:
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in finished[0]["flags"])
        steps = int(flags["epochs"]) * int(flags["steps_per_epoch"])
    minutes = [account["minutes"] for account in finished]
    return {
        "trained": len(finished),
        "steps": steps or None,
        "minutes": statistics.fmean(minutes) if minutes else None,
        "seconds_per_step": _seconds(name, runs),
        "parameters": _parameters(recorded(trained[0])) if trained else None,
        "trained_on_pairs": sorted({pairs_of(recorded(workdir)) for workdir in trained}),
    }


def _seconds(name: str, runs: list[Run]) -> float | None:
    """Returns how long a step of a variant's trial took; nothing where none was made."""
    of_variant = next(run for run in runs if run.variant.name == name)
    rate = known_rate(of_variant, of_variant.directory.parents[2])
    return 1 / rate if rate else None


def _parameters(described: dict) -> dict[str, int] | None:
    """Returns how many parameters generators have, and all networks that are trained."""
    counts = described.get("parameters", {})
    generators = sum(n for name, n in counts.items() if name.startswith("generator"))
    return {"generators": generators, "all": sum(counts.values())} if counts else None


def _set(study: Study, values: dict[tuple, dict[str, float]]) -> dict:
    """Returns direction to figure to the entries of all methods on one set of records."""
    # On other records every fold is tested on the same patients.
    folds = range(max(1, study.folds))
    directions = {}
    for direction, figure_name in sorted({(key[1], key[2]) for key in values}):
        cells_by_method = {
            method: {
                (fold, seed): values[method, direction, figure_name, fold, seed]
                for fold in folds
                for seed in study.seeds
                if (method, direction, figure_name, fold, seed) in values
            }
            for method in (*BASELINES, *(variant.name for variant in study.variants))
        }
        entries = {method: entry(cells, len(folds)) for method, cells in cells_by_method.items()}
        for method, summary in entries.items():
            summary["difference"] = difference(
                cells_by_method[method], cells_by_method[study.reference]
            )
            own = method not in BASELINES
            summary["of_copy_source"] = share(summary, entries[COPY]) if own else None
        directions.setdefault(direction, {})[figure_name] = entries
    return directions


def load(study: Study, runs: list[Run]) -> dict[str, list[Loaded]]:
    """Returns the finished evaluations on each set of records.

    Raises:
        UserError: They cannot stand in one table, because other versions or records made some.
    """
    names = [records.name for records in every(study)]
    return {name: _load([run for run in runs if run.evaluated(name)], name) for name in names}


def _load(runs: list[Run], name: str) -> list[Loaded]:
    results, firsts = [], {}
    for run in runs:
        for method in (*BASELINES, run.variant.name):
            reported_method = method if method in BASELINES else scoring.MODEL
            loaded = comparison.load(run.evaluation(name), str(run), reported_method)
            # On other records every fold is tested on the same patients.
            of_patients = run.fold if name == TEST else None
            for key, keys in ((of_patients, tuple(comparison.SAME)), ("any", OF_RULES)):
                reference = firsts.setdefault(key, loaded)
                if differences := comparison.unlike(reference.report, loaded.report, keys):
                    raise UserError(
                        f"The evaluations of {name} make no table. {reference.label} and {run}"
                        f" differ in {'; '.join(differences)}. Remove {run.evaluation(name).name}"
                        " from the runs of --output and start the study again: it evaluates again"
                        " and trains nothing.",
                        ExitCode.DAMAGED,
                    )
            results.append((run, method, loaded))
    return results


def _values(loaded: list[Loaded]) -> dict[tuple, dict[str, float]]:
    """Returns (method, direction, figure, fold, seed) to value by patient."""
    return {
        (method, direction, name, run.fold, run.seed): by_patient
        for run, method, evaluated in loaded
        for (direction, name), by_patient in evaluated.patients.items()
        if name in FIGURES
    }


def _brain_masks(loaded: list[Loaded]) -> dict[str, list[int]]:
    """Returns where the brain comes from, and in which folds."""
    folds_by_rule: dict[str, set[int]] = {}
    for run, _, evaluated in loaded:
        if not has_source(evaluated.report):
            continue  # it has looked at none
        folds_by_rule.setdefault(
            evaluated.report.get("params", {}).get("brain_mask", ""), set()
        ).add(run.fold)
    return {rule: sorted(folds) for rule, folds in folds_by_rule.items()}


def entry(cells: Cells, folds: int) -> dict:
    """Returns the figure of one method.

    Args:
        cells: What its finished runs say.
        folds: Number of folds, which a seed needs to count for the spread.

    Returns:
        value, ci, n_patients, seeds (seed to mean over patients), seed_sd; a reason where there is
        no value or no interval.
    """
    summary = interval(over_seeds(cells))
    seeds = {}
    for seed in sorted({seed for _, seed in cells}):
        cells_of_seed = {cell: patients for cell, patients in cells.items() if cell[1] == seed}
        if len(cells_of_seed) == folds:
            seeds[str(seed)] = statistics.fmean(over_seeds(cells_of_seed).values())
    spread = statistics.stdev(seeds.values()) if len(seeds) > 1 else None
    return summary | {"seeds": seeds, "seed_sd": spread}


def share(made: dict, copy: dict) -> float | None:
    """Returns the size of a figure in its worst seed, as a share of copy-source's."""
    if not made["seeds"] or not copy["value"]:
        return None
    return max(map(abs, made["seeds"].values())) / abs(copy["value"])


def difference(cells: Cells, reference: Cells) -> dict:
    """Returns the mean difference of two methods, paired by fold, seed and patient."""
    paired = {
        cell: {
            patient: value - reference[cell][patient]
            for patient, value in patients.items()
            if patient in reference[cell]
        }
        for cell, patients in cells.items()
        if cell in reference
    }
    return interval(over_seeds(paired))


def over_seeds(cells: Cells) -> dict[str, float]:
    """Returns the mean over all cells of each patient."""
    groups: dict[str, list[float]] = {}
    for patients in cells.values():
        for patient, value in patients.items():
            groups.setdefault(patient, []).append(value)
    return {patient: statistics.fmean(values) for patient, values in groups.items()}


def interval(patients: dict[str, float]) -> dict:
    """Returns the mean over patients with its bootstrap interval."""
    if not patients:
        return null(NO_RUN)
    return mean_over_patients(list(patients.values()), alone=ONE_PATIENT)
