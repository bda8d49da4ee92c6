"""Runs recipes against each other, at equal time or steps, on patients that are held out.

python tools/ablation.py --study=studies/phantom.toml --output=DIR --budget_minutes=60
"""

import pathlib
import sys

import ablation_runs
import ablation_sheet
import ablation_study
import ablation_table
from ablation_clock import Clock, Failed, OutOfTime

from tfcyclegan import config, manifest
from tfcyclegan.errors import UserError
from tfcyclegan.files import write_atomically

WORK_FAILED, OUT_OF_TIME = 1, 11
NAMED = 6
"""Runs named in a message; more are counted."""


def main(settings: config.AblationConfig) -> None:
    """Does all runs that are left, and writes table.md, table.json and sheet.png after each."""
    study = ablation_study.read(pathlib.Path(settings.study))
    manifest.deal(manifest.read(pathlib.Path(study.data_dir)), study.folds, 0)  # enough patients?
    output = pathlib.Path(settings.output)
    runs = ablation_runs.plan(study, output)
    ablation_runs.check(runs, study, output)
    ablation_table.load(study, runs)  # so that what makes no table is told before hours of work
    left = [run for run in runs if not ablation_runs.done(run, study)]
    print(f"{study.title}: {len(runs)} runs, {len(left)} left")
    if settings.dry_run:
        print("\n".join(map(str, left)))
        return
    failed = []
    with Clock(settings.budget_minutes) as clock:
        for run in left:
            try:
                ablation_runs.work(run, study, output, clock)
            except OutOfTime:
                break
            except Failed as failure:
                failed.append(run)
                print(f"{run}: {failure}", file=sys.stderr, flush=True)
                continue
            print(f"{run}: {run.account()['minutes']:.1f} min, {shown(study, runs)}", flush=True)
            write(study, runs, output)
    write(study, runs, output)
    print(ablation_table.markdown(ablation_table.collect(study, runs)))
    finish(study, runs, failed, settings.budget_minutes)


def shown(study: ablation_study.Study, runs: list) -> str:
    """Returns how many runs are done."""
    return f"{sum(ablation_runs.done(run, study) for run in runs)} of {len(runs)} done"


def write(study: ablation_study.Study, runs: list, output: pathlib.Path) -> None:
    """Writes what the finished runs say."""
    output.mkdir(parents=True, exist_ok=True)
    collected = ablation_table.collect(study, runs)
    write_atomically(output / "table.json", ablation_table.strict_json(collected))
    write_atomically(output / "table.md", ablation_table.markdown(collected) + "\n")
    ablation_sheet.write(study, runs, output / "sheet.png")


def finish(study: ablation_study.Study, runs: list, failed: list, minutes: float) -> None:
    """Raises UserError unless everything is done."""
    left = [run for run in runs if not ablation_runs.done(run, study) and run not in failed]
    names = ", ".join(map(str, left[:NAMED])) + (", ..." if len(left) > NAMED else "")
    if left:
        raise UserError(
            f"--budget_minutes={minutes:g} is used up with {len(left)} of {len(runs)} runs left:"
            f" {names}. The same command continues.",
            OUT_OF_TIME,
        )
    if failed:
        raise UserError(
            f"{len(failed)} of {len(runs)} runs failed: {', '.join(map(str, failed))}. Their"
            " log.txt says why; the same command tries again.",
            WORK_FAILED,
        )


if __name__ == "__main__":
    config.run(main, config.AblationConfig)
