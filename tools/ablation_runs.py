"""The runs of a study: in which order, with which flags, and what of them is done.

OUTPUT/runs/VARIANT/foldK-seedS holds the workdir of the training, `eval` and `eval-NAME` of the
evaluations, log.txt of all commands, and account.json, which says what is done. Every command is
repeated until it has finished; training continues by itself.
"""

import dataclasses
import json
import pathlib
import shutil
import sys

from ablation_clock import Clock, Failed
from ablation_study import TEST, External, Study, Variant

from tfcyclegan.errors import UserError
from tfcyclegan.files import write_atomically

TRIAL_EPOCHS, TRIAL_STEPS = 3, 12
"""Of a trial, whose fastest epoch counts: other programs can only slow it down."""
CHANGED = 8


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of one variant.

    Attributes:
        variant: The recipe.
        fold: Number of the fold that is left out; 0 without folds.
        seed: Seed of the training.
        directory: Where all of it lies.
    """

    variant: Variant
    fold: int
    seed: int
    directory: pathlib.Path

    def __str__(self) -> str:
        return f"{self.variant.name} fold {self.fold} seed {self.seed}"

    def evaluation(self, name: str) -> pathlib.Path:
        """Returns the directory of an evaluation: `TEST`, or the name of other records."""
        return self.directory / ("eval" if name == TEST else f"eval-{name}")

    def evaluated(self, name: str) -> bool:
        """Tells whether an evaluation has finished; metrics.json is written last."""
        return (self.evaluation(name) / "metrics.json").is_file()

    def account(self) -> dict:
        """Returns what is known of the run: flags, trained, minutes, failed."""
        path = self.directory / "account.json"
        empty = {"flags": None, "trained": False, "minutes": 0.0, "failed": ""}
        return json.loads(path.read_text()) if path.is_file() else empty

    def note(self, **changes) -> None:
        """Changes what account.json says."""
        self.directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**self.account(), **changes}, indent=2) + "\n"
        write_atomically(self.directory / "account.json", text)


def plan(study: Study, output: pathlib.Path) -> list[Run]:
    """Returns all runs in their order.

    Variants turn fastest: whenever a study is cut short, all of them have seen the same patients.
    """
    return [
        Run(variant, fold, seed, output / "runs" / variant.name / f"fold{fold}-seed{seed}")
        for seed in study.seeds
        for fold in range(max(1, study.folds))
        for variant in study.variants
    ]


def done(run: Run, study: Study) -> bool:
    """Tells whether a run is trained and evaluated on everything."""
    names = [TEST, *(external.name for external in study.external)]
    return run.account()["trained"] and all(run.evaluated(name) for name in names)


def flags_of(run: Run, study: Study, steps: int) -> list[str]:
    """Returns the training flags of a run, but for its directories.

    A run has the study's epochs; the rate falls from the same share of them as in the recipe.
    """
    config = run.variant.config
    decay = round(config.decay_start_epoch / config.epochs * study.epochs)
    length = [
        f"--epochs={study.epochs}",
        f"--decay_start_epoch={decay}",
        f"--steps_per_epoch={max(1, round(steps / study.epochs))}",
    ]
    fold = [f"--fold={run.fold}"] if study.folds else []
    return [*run.variant.flags, *fold, f"--seed={run.seed}", *length]


def work(run: Run, study: Study, output: pathlib.Path, clock: Clock) -> None:
    """Does what is left of a run.

    Raises:
        Failed: A command of it failed; account.json says why.
        UserError: The run was begun with other flags.
    """
    try:
        _work(run, study, output, clock)
    except Failed as failure:
        run.note(failed=str(failure))
        raise


def _work(run: Run, study: Study, output: pathlib.Path, clock: Clock) -> None:
    flags = flags_of(run, study, steps_of(run, study, output, clock))
    begun = run.account()["flags"]
    if begun not in (None, flags):
        changed = sorted(set(begun) ^ set(flags))
        raise UserError(
            f"{run.directory} was begun with other flags: {' '.join(changed)} differ. Give the"
            " variant another name, or the study another --output.",
            CHANGED,
        )
    run.note(flags=flags, failed="")
    if not run.account()["trained"]:
        train(run, study, flags, clock)
    own = External(TEST, study.data_dir, TEST)
    for records in (own, *study.external):
        if not run.evaluated(records.name):
            evaluate(run, records, clock)


def train(run: Run, study: Study, flags: list[str], clock: Clock) -> None:
    """Trains, or continues, a run, and notes the minutes that it took so far."""
    paths = [f"--data_dir={study.data_dir}", f"--workdir={run.directory / 'workdir'}"]
    begin = clock.elapsed()
    try:
        clock.run(command("train", *flags, *paths), run.directory / "log.txt")
    finally:
        run.note(minutes=run.account()["minutes"] + (clock.elapsed() - begin) / 60)
    run.note(trained=True)


def evaluate(run: Run, records: External, clock: Clock) -> None:
    """Evaluates a trained run on one set of records."""
    arguments = (
        f"--workdir={run.directory / 'workdir'}",
        f"--data_dir={records.data_dir}",
        f"--split={records.split}",
        f"--output={run.evaluation(records.name)}",
    )
    clock.run(command("evaluate", *arguments), run.directory / "log.txt")


def steps_of(run: Run, study: Study, output: pathlib.Path, clock: Clock) -> int:
    """Returns the steps of every run of a variant: the study's, or as many as fit its minutes.

    The trial that measures them is kept, so that all runs of a variant are of one length.
    """
    if study.steps:
        return study.steps
    path = output / "trials" / f"{run.variant.name}.json"
    flags = list(run.variant.flags)
    known = json.loads(path.read_text()) if path.is_file() else {}
    if known.get("flags") != flags:
        known = {"flags": flags, "steps_per_second": trial(run, study, path.with_suffix(""), clock)}
        write_atomically(path, json.dumps(known, indent=2) + "\n")
    return round(known["steps_per_second"] * 60 * study.minutes)


def trial(run: Run, study: Study, directory: pathlib.Path, clock: Clock) -> float:
    """Returns the steps a second of a variant, without starting, validating and saving."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    arguments = (
        *flags_of(run, study, 1),
        f"--epochs={TRIAL_EPOCHS}",
        f"--steps_per_epoch={TRIAL_STEPS}",
        "--decay_start_epoch=0",
        f"--validate_every={TRIAL_EPOCHS}",
        "--validation_pairs=1",
        "--best_by=auto",
        f"--data_dir={study.data_dir}",
        f"--workdir={directory / 'workdir'}",
    )
    clock.run(command("train", *arguments), directory / "log.txt")
    rows = (directory / "workdir" / "metrics.jsonl").read_text().splitlines()
    fastest = max(json.loads(row)["images_per_second"] for row in rows)
    shutil.rmtree(directory)
    return fastest / run.variant.config.batch_size


def command(name: str, *arguments: str) -> list[str]:
    """Returns the command line of `python -m tfcyclegan.NAME`."""
    return [sys.executable, "-m", f"tfcyclegan.{name}", *arguments]
