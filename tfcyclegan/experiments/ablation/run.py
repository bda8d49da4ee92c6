"""All runs of a study, its table and its sheet."""

import pathlib
import sys

from tfcyclegan import config, files
from tfcyclegan.data import manifest
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.evaluation.figures import entries
from tfcyclegan.experiments.ablation import printed, sheet, table
from tfcyclegan.experiments.ablation.clock import Clock, Failed, OutOfTime
from tfcyclegan.experiments.ablation.runs import check, done, plan, work
from tfcyclegan.experiments.ablation.study import Study, read

NAMED = 6
"""Runs named in a message; more are counted."""


def run(settings: config.AblationConfig) -> None:
    """Does all runs that are left, and writes table.md, table.json and sheet.png after each."""
    study = read(pathlib.Path(settings.study))
    # Raises where there are too few patients for the folds.
    manifest.deal(manifest.read(pathlib.Path(study.data_dir)), study.folds, 0)
    output = pathlib.Path(settings.output)
    runs = plan(study, output)
    check(runs, study, output)
    # Evaluations that make no table are reported before hours of work.
    table.load(study, runs)
    remaining = [run for run in runs if not done(run, study)]
    print(f"{study.title}: {len(runs)} runs, {len(remaining)} left")
    if settings.dry_run:
        print("\n".join(map(str, remaining)))
        return
    failed = []
    with Clock(settings.budget_minutes) as clock:
        for run in remaining:
            try:
                work(run, study, output, clock)
            except OutOfTime:
                break
            except Failed as failure:
                failed.append(run)
                print(f"{run}: {failure}", file=sys.stderr, flush=True)
                continue
            print(f"{run}: {run.account()['minutes']:.1f} min, {shown(study, runs)}", flush=True)
            write(study, runs, output)
    write(study, runs, output)
    print(printed.markdown(table.collect(study, runs)))
    finish(study, runs, failed, settings.budget_minutes)


def shown(study: Study, runs: list) -> str:
    """Returns how many runs are done."""
    return f"{sum(done(run, study) for run in runs)} of {len(runs)} done"


def write(study: Study, runs: list, output: pathlib.Path) -> None:
    """Writes what the finished runs say."""
    output.mkdir(parents=True, exist_ok=True)
    collected = table.collect(study, runs)
    files.write(output / "table.json", entries.strict_json(collected))
    files.write(output / "table.md", printed.markdown(collected) + "\n")
    sheet.write(study, runs, output / "sheet.png")


def finish(study: Study, runs: list, failed: list, minutes: float) -> None:
    """Raises UserError unless everything is done."""
    remaining = [run for run in runs if not done(run, study) and run not in failed]
    names = ", ".join(map(str, remaining[:NAMED])) + (", ..." if len(remaining) > NAMED else "")
    if remaining:
        raise UserError(
            f"--budget_minutes={minutes:g} is used up with {len(remaining)} of {len(runs)} runs"
            f" left: {names}. The same command continues.",
            ExitCode.OUT_OF_TIME,
        )
    if failed:
        raise UserError(
            f"{len(failed)} of {len(runs)} runs failed: {', '.join(map(str, failed))}. Their"
            " log.txt says why; the same command tries again.",
            ExitCode.FAILED,
        )
