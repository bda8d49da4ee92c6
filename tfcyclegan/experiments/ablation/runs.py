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

from tfcyclegan import files
from tfcyclegan.config import TrainConfig
from tfcyclegan.data import manifest
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.experiments.ablation.clock import Clock, Failed
from tfcyclegan.experiments.ablation.study import TEST, External, Study, Variant
from tfcyclegan.training.rundir import workdir

TRIAL_EPOCHS, TRIAL_STEPS = 3, 12
"""Length of a trial. Its fastest epoch counts: other programs can only slow it down."""
LENGTHS = ("epochs", "steps_per_epoch", "decay_start_epoch")
"""Flags of a recipe's length, in place of which a run has the study's."""


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
        files.write(self.directory / "account.json", text)


def plan(study: Study, output: pathlib.Path) -> list[Run]:
    """Returns all runs in their order.

    Variants change fastest: whenever a study is cut short, all of them have seen the same patients.
    """
    return [
        Run(variant, fold, seed, output / "runs" / variant.name / f"fold{fold}-seed{seed}")
        for seed in study.seeds
        for fold in range(max(1, study.folds))
        for variant in study.variants
    ]


def done(run: Run, study: Study) -> bool:
    """Tells whether a run is trained and evaluated on everything."""
    return run.account()["trained"] and all(run.evaluated(r.name) for r in every(study))


def check(runs: list[Run], study: Study, output: pathlib.Path) -> None:
    """Raises UserError if records are missing, or a run is not what the study would now make of it.

    The content of a flagfile counts and not its name, the records and not their directory's name.
    """
    hashes = {records.name: _hash_of(records.data_dir) for records in every(study)}
    for run in runs:
        flagfile = run.directory / "workdir" / workdir.FLAGS_FILE
        changed = []
        if flagfile.is_file():
            steps = known_steps(run, study, output)
            if not steps:  # its variant is to be measured again
                steps = (
                    TrainConfig.of_run(flagfile.read_text().splitlines()).steps_per_epoch
                    * study.epochs
                )
            changed = changes(run, study, flags_of(run, study, steps), hashes[TEST])
        for name, expected in hashes.items():
            path = run.evaluation(name) / "metrics.json"
            report = json.loads(path.read_text()) if path.is_file() else {}
            if report.get("dataset_hash", expected) != expected:
                changed.append(f"{path} is of other records than those of {name} are now")
        if changed:
            raise _refusal(run, changed)


def _hash_of(data_dir: str) -> str:
    return manifest.dataset_hash(manifest.read(pathlib.Path(data_dir)))


def changes(run: Run, study: Study, flags: list[str], records: str) -> list[str]:
    """Returns how a run that was begun differs from one with these flags and records."""
    paths = (f"--data_dir={study.data_dir}", f"--workdir={run.directory / 'workdir'}")
    config = TrainConfig.parse(*paths, *flags)
    return workdir.changes(config, {"dataset_hash": records})


def _refusal(run: Run, changed: list[str]) -> UserError:
    return UserError(
        f"{run} was begun otherwise: {'; '.join(changed)}. Give the variant another name, or the"
        " study another --output.",
        ExitCode.MISMATCH,
    )


def every(study: Study) -> list[External]:
    """Returns all records that runs are evaluated on, the study's own first."""
    return [External(TEST, study.data_dir, TEST), *study.external]


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
    fold = [f"--fold={run.fold}/{study.folds}"] if study.folds else []
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
    if changed := changes(run, study, flags, _hash_of(study.data_dir)):
        raise _refusal(run, changed)
    run.note(flags=flags, failed="")
    if not run.account()["trained"]:
        train(run, study, flags, clock)
    for records in every(study):
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
    if not known_steps(run, study, output):
        path = _trial_of(run, output)
        measured = {
            "flags": run.variant.config.to_flagfile().splitlines(),
            "steps_per_second": trial(run, study, path.with_suffix(""), clock),
        }
        files.write(path, json.dumps(measured, indent=2) + "\n")
    return known_steps(run, study, output)


def known_steps(run: Run, study: Study, output: pathlib.Path) -> int:
    """Returns what `steps_of` returns, or 0 where the flags as they are now need a trial first."""
    minutes = run.variant.minutes or study.minutes
    rate = 0.0 if study.steps else known_rate(run, output)
    return max(1, round(rate * 60 * minutes)) if rate else study.steps


def known_rate(run: Run, output: pathlib.Path) -> float:
    """Returns the steps a second that a trial of these flags had, or 0 where there is none."""
    path = _trial_of(run, output)
    if not path.is_file():
        return 0.0
    measured = json.loads(path.read_text())
    tried = TrainConfig.of_run(["--data_dir=-", "--workdir=-", *measured["flags"]])
    # How long a recipe is says nothing of its speed, and the study has lengths of its own.
    lengths = {name: getattr(run.variant.config, name) for name in LENGTHS}
    changed = workdir.changed_flags(dataclasses.replace(tried, **lengths), run.variant.config)
    return 0.0 if changed else measured["steps_per_second"]


def _trial_of(run: Run, output: pathlib.Path) -> pathlib.Path:
    return output / "trials" / f"{run.variant.name}.json"


def trial(run: Run, study: Study, directory: pathlib.Path, clock: Clock) -> float:
    """Returns the steps a second of a variant, without starting, validating and saving."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    # The flags below come last and so replace those of the run.
    arguments = (
        *flags_of(run, study, 1),
        f"--epochs={TRIAL_EPOCHS}",
        f"--steps_per_epoch={TRIAL_STEPS}",
        "--decay_start_epoch=0",
        f"--validate_every={TRIAL_EPOCHS}",
        "--validation_pairs=1",
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
