"""Leave-patients-out folds: who is tested, who is read, and what a run says of it."""

import dataclasses

import pytest
from record_sets import pseudonym, record, write_index, write_shard

from tfcyclegan.config import TrainConfig
from tfcyclegan.data import manifest, slices
from tfcyclegan.errors import UserError
from tfcyclegan.evaluation import inputs
from tfcyclegan.evaluation.gates import leakage
from tfcyclegan.training import setup
from tfcyclegan.training.rundir.workdir import claim_workdir

PATIENTS = sorted(pseudonym(f"patient{number}") for number in range(7))
"""Of the shared `dataset`: splits of 3, 2 and 2."""


def members(shards: list[manifest.Shard], split: str) -> set[str]:
    return {patient for s in shards if s.split == split for patient in s.patients}


def test_patients_are_dealt_in_the_order_of_their_pseudonyms(dataset):
    shards = manifest.read(dataset)
    tested = [members(manifest.deal(shards, 3, fold), "test") for fold in range(3)]
    assert tested == [
        {PATIENTS[0], PATIENTS[3], PATIENTS[6]},
        {PATIENTS[1], PATIENTS[4]},
        {PATIENTS[2], PATIENTS[5]},
    ]


def test_folds_are_disjoint_complete_and_do_not_depend_on_the_order_of_rows(dataset):
    shards = manifest.read(dataset)
    for fold in range(3):
        dealt = manifest.deal(shards, 3, fold)
        manifest.check_disjoint(dealt)
        assert members(dealt, "train") | members(dealt, "test") == set(PATIENTS)
        assert set(manifest.deal(shards[::-1], 3, fold)) == set(dealt)
    assert manifest.deal(shards, 0, 0) == shards


def test_the_records_are_the_same_and_who_stands_where_is_not(dataset):
    shards = manifest.read(dataset)
    dealt = [manifest.deal(shards, 3, fold) for fold in range(3)]
    assert {manifest.dataset_hash(s) for s in dealt} == {manifest.dataset_hash(shards)}
    assert len({manifest.split_hash(s) for s in [shards, *dealt]}) == 4


def test_only_the_patients_of_a_split_are_read(dataset):
    dealt = manifest.deal(manifest.read(dataset), 3, 1)
    read = {
        split: slices.load_slices(
            str(dataset), dealt, split=split, sequence="flair", image_size=32
        ).metadata["id/patient"]
        for split in ("train", "test")
    }
    assert {one.decode() for one in read["test"]} == {PATIENTS[1], PATIENTS[4]}
    assert (len(read["train"]), len(read["test"])) == (5 * 4, 2 * 4)


def test_the_leakage_gate_reads_folds(dataset, tmp_path):
    dealt = manifest.deal(manifest.read(dataset), 3, 0)
    made = leakage.check(dataset, dealt)
    assert made["n_slices"] == 7 * 4 * 2 and made["splits"] == ["test", "train"]
    # Patients 1 and 2 of one shard share a study, and are dealt to different folds.
    rows = [record("t2", p, 0, 1, **{"id/study": pseudonym("study")}) for p in (1, 2)]
    shards = [write_shard(tmp_path, "train", "t2", rows)]
    write_index(tmp_path, shards)
    assert leakage.check(tmp_path, shards)["passed"]
    with pytest.raises(UserError, match="A study of split"):
        leakage.check(tmp_path, manifest.deal(shards, 2, 0))


def test_an_evaluation_has_the_folds_of_the_run_on_its_own_records_only(dataset):
    shards = manifest.read(dataset)
    model = {"trained_on": manifest.dataset_hash(shards), "folds": 3, "fold": 2}
    assert members(inputs.dealt(shards, model), "test") == {PATIENTS[2], PATIENTS[5]}
    assert inputs.dealt(shards, {**model, "trained_on": "0" * 16}) == shards


def test_more_folds_than_patients_are_refused(dataset):
    with pytest.raises(UserError, match="at most as many folds as patients, 7. Received: 8"):
        manifest.deal(manifest.read(dataset), 8, 0)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--fold=0/1",), "--fold is K/N, with N at least 2 and K from 0 to"),
        (("--fold=3/3",), "--fold is K/N"),
        (("--fold=1",), "--fold is K/N"),
    ],
)
def test_wrong_folds_are_explained(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", *flags)


def test_validation_never_sees_who_is_held_out(dataset):
    shards = manifest.read(dataset)
    config = TrainConfig(data_dir="d", workdir="w")
    assert setup.validation_split(config, shards) == "val"
    assert setup.validation_split(config, manifest.deal(shards, 3, 0)) == "train"
    lacks_flair = [s for s in shards if (s.split, s.sequence) != ("val", "flair")]
    assert setup.validation_split(config, lacks_flair) == "train"


def test_another_fold_in_the_same_workdir_is_refused_by_name(tmp_path):
    config = TrainConfig(data_dir="d", workdir=str(tmp_path), fold="0/3")
    claim_workdir(config)
    with pytest.raises(UserError, match="--fold was 0/3 and is 1/3"):
        claim_workdir(dataclasses.replace(config, fold="1/3"))
