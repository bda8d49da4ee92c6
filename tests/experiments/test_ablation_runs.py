"""The plan of a study: order, flags, what is done again and what is not. Commands are stand-ins."""

import dataclasses
import json
import pathlib

import pytest
from ablation_studies import study, variant

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.experiments.ablation import clock as ablation_clock
from tfcyclegan.experiments.ablation import runs as ablation_runs
from tfcyclegan.experiments.ablation import study as ablation_study

STUDY = study(
    variants=(variant("a", "--epochs=200", "--decay_start_epoch=100"), variant("b")),
    reference="a",
    seeds=(5, 6),
    minutes=2.0,
    steps=0,
    external=(ablation_study.External("other", "others", "val"),),
)


class Clock:
    """Leaves behind what commands would, and remembers them; `failing` ends with an error."""

    def __init__(self, failing: str = ""):
        self.lines, self.failing = [], failing

    def elapsed(self) -> float:
        return 30.0 * len(self.lines)

    def run(self, command: list[str], log: pathlib.Path) -> None:
        self.lines.append(command[2:])
        flags = dict(word[2:].split("=", 1) for word in command if "=" in word)
        if self.failing and self.failing in command[2]:
            raise ablation_clock.Failed("error: broken")
        made = pathlib.Path(flags.get("output", flags["workdir"]))
        made.mkdir(parents=True, exist_ok=True)
        if "evaluate" in command[2]:
            report = {"dataset_hash": f"hash of {flags['data_dir']}"}
            (made / "metrics.json").write_text(json.dumps(report))
        else:
            (made / "flags.txt").write_text(TrainConfig.parse(*command[3:]).to_flagfile())
            (made / "run.json").write_text('{"dataset_hash": "hash of records"}')
        if "trials" in made.parts:
            rows = [{"images_per_second": rate} for rate in (3.0, 5.0, 4.0)]
            (made / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(autouse=True)
def _no_records(monkeypatch):
    monkeypatch.setattr(ablation_runs, "_hash_of", "hash of {}".format)


def names(clock: Clock) -> list[str]:
    """trial, train or evaluate, and where."""
    made = []
    for _, module, *words in [("", *line) for line in clock.lines]:
        flags = dict(word[2:].split("=", 1) for word in words if "=" in word)
        path = pathlib.Path(flags.get("output", flags["workdir"]))
        made.append(f"{module.removeprefix('tfcyclegan.')} {'/'.join(path.parts[-3:])}")
    return made


def test_variants_turn_fastest_then_folds_then_seeds(tmp_path):
    runs = ablation_runs.plan(STUDY, tmp_path)
    assert [str(run) for run in runs] == [
        f"{name} fold {fold} seed {seed}" for seed in (5, 6) for fold in (0, 1) for name in "ab"
    ]
    assert runs[1].directory == tmp_path / "runs" / "b" / "fold0-seed5"
    single = dataclasses.replace(STUDY, folds=0)
    assert len(ablation_runs.plan(single, tmp_path)) == 4
    assert not any("--fold" in flag for flag in ablation_runs.flags_of(runs[0], single, 10))


def test_the_fall_of_the_rate_keeps_its_share_of_the_run(tmp_path):
    runs = ablation_runs.plan(STUDY, tmp_path)
    flags = ablation_runs.flags_of(runs[2], STUDY, 1234)
    made = TrainConfig.parse("--data_dir=d", "--workdir=w", "--fold=0/2", *flags)
    assert (made.epochs, made.decay_start_epoch, made.steps_per_epoch) == (10, 5, 123)
    assert (made.fold, made.seed) == ("1/2", 5)


def test_a_run_is_measured_trained_evaluated_and_then_left_alone(tmp_path):
    run = ablation_runs.plan(STUDY, tmp_path)[0]
    clock = Clock()
    assert not ablation_runs.done(run, STUDY)
    ablation_runs.work(run, STUDY, tmp_path, clock)
    assert names(clock) == [
        "train trials/a/workdir",
        "train a/fold0-seed5/workdir",
        "evaluate a/fold0-seed5/eval",
        "evaluate a/fold0-seed5/eval-other",
    ]
    # The fastest of three epochs, 5 steps a second, for 2 minutes in 10 epochs.
    assert "--steps_per_epoch=60" in clock.lines[1]
    assert clock.lines[3][-4:-1] == [
        f"--workdir={run.directory / 'workdir'}",
        "--data_dir=others",
        "--split=val",
    ]
    assert ablation_runs.done(run, STUDY) and run.account()["minutes"] == 0.5
    again = Clock()
    ablation_runs.work(run, STUDY, tmp_path, again)
    assert again.lines == []
    ablation_runs.work(ablation_runs.plan(STUDY, tmp_path)[4], STUDY, tmp_path, again)
    assert names(again)[0] == "train a/fold0-seed6/workdir", "one trial for all runs of a variant"


def test_a_variant_is_as_long_as_its_own_minutes(tmp_path):
    short = dataclasses.replace(STUDY.variants[1], minutes=0.5)
    study_of_two = dataclasses.replace(STUDY, variants=(STUDY.variants[0], short))
    clock = Clock()
    for run in ablation_runs.plan(study_of_two, tmp_path)[:2]:
        ablation_runs.work(run, study_of_two, tmp_path, clock)
    assert names(clock)[1].startswith("train a/") and "--steps_per_epoch=60" in clock.lines[1]
    assert names(clock)[5].startswith("train b/") and "--steps_per_epoch=15" in clock.lines[5]


def test_what_failed_is_done_again_and_what_was_finished_is_not(tmp_path):
    run = ablation_runs.plan(STUDY, tmp_path)[0]
    with pytest.raises(ablation_clock.Failed):
        ablation_runs.work(run, STUDY, tmp_path, Clock("evaluate"))
    account = run.account()
    assert account["trained"] and account["failed"] == "error: broken"
    clock = Clock()
    ablation_runs.work(run, STUDY, tmp_path, clock)
    assert names(clock) == ["evaluate a/fold0-seed5/eval", "evaluate a/fold0-seed5/eval-other"]
    assert run.account()["failed"] == ""


@pytest.fixture
def finished(tmp_path):
    """A finished run of variant b, whose flagfile is one line."""
    path = tmp_path / "b.flags"
    path.write_text("--cycle_weight=3\n")
    made = dataclasses.replace(STUDY, variants=(STUDY.variants[0], of_file(path)))
    run = ablation_runs.plan(made, tmp_path)[1]
    ablation_runs.work(run, made, tmp_path, Clock())
    assert ablation_runs.done(run, made)
    ablation_runs.check(ablation_runs.plan(made, tmp_path), made, tmp_path)
    return made, path


def test_a_study_that_was_begun_before_flags_were_taken_out_goes_on(finished, tmp_path):
    made, _ = finished
    run, path = ablation_runs.plan(made, tmp_path)[1], tmp_path / "trials" / "b.json"
    trial = json.loads(path.read_text())
    trial["flags"] += ["--cycle_warmup_steps=0", "--schedule=linear", "--diff_augment="]
    steps = ablation_runs.known_steps(run, made, tmp_path)
    path.write_text(json.dumps(trial))
    assert ablation_runs.known_steps(run, made, tmp_path) == steps > 0
    ablation_runs.check(ablation_runs.plan(made, tmp_path), made, tmp_path)


def of_file(path):
    """Variant b with the flags that its file now holds."""
    return variant("b", f"--flagfile={path}")


def refused(made, folder) -> str:
    with pytest.raises(UserError, match="^b fold 0 seed 5 was begun otherwise") as caught:
        ablation_runs.check(ablation_runs.plan(made, folder), made, folder)
    assert caught.value.exit_code == 8
    return str(caught.value)


def test_a_finished_run_whose_flagfile_was_edited_is_refused(finished, tmp_path):
    made, path = finished
    path.write_text("--cycle_weight=5\n")
    made = dataclasses.replace(made, variants=(made.variants[0], of_file(path)))
    assert "--cycle_weight was 3.0 and is 5.0" in refused(made, tmp_path)
    with pytest.raises(UserError, match="--cycle_weight was 3.0 and is 5.0"):
        ablation_runs.work(ablation_runs.plan(made, tmp_path)[1], made, tmp_path, Clock())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"minutes": 3.0}, "--steps_per_epoch was 60 and is 90"),
        ({"epochs": 20}, "--epochs was 10 and is 20"),
        ({"data_dir": "converted again"}, "--data_dir holds other records"),
        (
            {"external": (ablation_study.External("other", "converted again", "val"),)},
            "eval-other/metrics.json is of other records than those of other",
        ),
    ],
)
def test_a_study_that_changed_is_refused_and_what_changed_is_named(
    finished, tmp_path, change, told
):
    assert told in refused(dataclasses.replace(finished[0], **change), tmp_path)


def test_seeds_variants_and_records_may_be_added(finished, tmp_path):
    more = dataclasses.replace(
        finished[0],
        seeds=(5, 6, 7),
        variants=(*finished[0].variants, variant("c", "--cycle_weight=9")),
        external=(*STUDY.external, ablation_study.External("third", "more", "test")),
    )
    ablation_runs.check(ablation_runs.plan(more, tmp_path), more, tmp_path)


def test_a_trial_counts_as_long_as_the_flags_mean_the_same(finished, tmp_path):
    made, path = finished
    run = ablation_runs.plan(made, tmp_path)[1]
    assert ablation_runs.known_steps(run, made, tmp_path) == 600
    path.write_text("# in other words\n--cycle_weight=3.0\n")
    same = dataclasses.replace(run, variant=of_file(path))
    assert ablation_runs.known_steps(same, made, tmp_path) == 600
    path.write_text("--cycle_weight=5\n")
    other = dataclasses.replace(run, variant=of_file(path))
    assert ablation_runs.known_steps(other, made, tmp_path) == 0
    longer = dataclasses.replace(
        run.variant.config, epochs=90, steps_per_epoch=7, decay_start_epoch=80
    )
    longer = dataclasses.replace(run, variant=dataclasses.replace(run.variant, config=longer))
    assert ablation_runs.known_steps(longer, made, tmp_path) == 600


def test_equal_steps_need_no_trial(tmp_path):
    equal = dataclasses.replace(STUDY, minutes=0.0, steps=50)
    clock = Clock()
    ablation_runs.work(ablation_runs.plan(equal, tmp_path)[0], equal, tmp_path, clock)
    assert names(clock)[0] == "train a/fold0-seed5/workdir"
    assert "--steps_per_epoch=5" in clock.lines[0]
