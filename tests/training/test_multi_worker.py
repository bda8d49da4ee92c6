"""Two worker processes of the training command: who writes what, who notices a loss, who continues.

That they train what one process trains is tested in test_distribution.py.
"""

import json

import pytest
from ends_of_runs import assert_same_end, checkpoints
from forked import wait_for
from places import SUPPORT
from tiny_runs import rows, train
from worker_processes import Workers, schedulers_tf_config

from tfcyclegan.training.rundir.checkpoints import load_run

FLAGS = (
    "--strategy=multi_worker",
    "--batch_size=2",
)


def worker(data_dir, workdir) -> tuple[str, ...]:
    return train(data_dir, workdir, *FLAGS)


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    """Workdirs of a run of two workers, which share none here, and what each printed."""
    workdirs = [tmp_path_factory.mktemp("undisturbed") / f"of_{index}" for index in range(2)]
    with Workers(*(worker(dataset, workdir) for workdir in workdirs)) as run:
        return workdirs, run.finish()


@pytest.fixture(scope="module")
def with_keras():
    """What each of two workers can do with Keras and with the other.

    Their TF_CONFIG is one that would end TensorFlow, were it to read it.
    """
    program = str(SUPPORT / "workers_and_keras.py")
    with Workers((program,), (program,), described=schedulers_tf_config) as run:
        return [json.loads(text.splitlines()[-1]) for text in run.finish()]


def test_what_is_written_is_the_chiefs(undisturbed):
    (workdir, elsewhere), printed = undisturbed
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
    assert len(rows(workdir)) == 4 and list((workdir / "samples").iterdir())
    assert all(float(row["val_ssim_a_to_b"]) for row in rows(workdir))
    assert "2 replica(s)" in printed[0] and "epoch 4/4: loss" in printed[0]
    assert "epoch 4/4" not in printed[1]
    assert load_run(str(workdir))[2] == 4


def test_a_killed_worker_ends_the_other_in_one_sentence_and_both_continue(
    undisturbed, dataset, tmp_path
):
    workdir = tmp_path / "run"
    both = [worker(dataset, workdir)] * 2
    with Workers(*both) as run:
        chief, other = run.processes
        assert wait_for(chief, lambda: "epoch-0001-step-000000" in checkpoints(workdir)), (
            chief.printed()
        )
        other.kill()
        codes, printed = run.wait(), run.outputs()[0]
    assert codes[0] == 10 and len(rows(workdir)) < 4, f"lost, or killed too late? {printed}"
    assert printed.splitlines()[-1].startswith("error: Another worker of this run ended")
    with Workers(*both) as run:
        printed = run.finish()
    assert all("continue after epoch" in text for text in printed)
    assert_same_end(workdir, undisturbed[0][0])


def test_workers_agree_or_say_what_differs(with_keras):
    assert [worker["chief"] for worker in with_keras] == [True, False]
    for worker in with_keras:
        assert worker["same"] == "agreed" and "differ in: --epochs." in worker["other"]


def test_every_worker_gets_what_all_replicas_hold_in_their_order(with_keras):
    for worker in with_keras:
        assert worker["of all"] == [[[0.5, -1.0], [1.5, -1.0]], [True, False], [7, 8]]


def test_keras_still_needs_the_workaround(with_keras):
    for worker in with_keras:
        assert worker["mixin"] == "trained"
        for kind in ("plain", "builds nothing"):
            assert worker[kind] != "trained", (
                f"Keras' own fit ({kind}) now trains under MultiWorkerMirroredStrategy: remove what"
                " is no longer needed of strategies.FitsOnWorkers, and this test."
            )
