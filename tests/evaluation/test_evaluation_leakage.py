"""A leak is an error, wherever it hides."""

import pytest
from record_sets import head, pseudonym, record, write_index, write_shard

from tfcyclegan.errors import UserError
from tfcyclegan.evaluation.gates import leakage


def dataset(directory, **changes):
    """One patient to train on and one to test on; `changes` replaces features of a test slice."""
    rows = {"train": [record("t2", 1, i, 2) for i in range(2)]}
    rows["test"] = [record("t2", 2, i, 2, **changes) for i in range(2)]
    shards = [write_shard(directory, split, "t2", rows[split]) for split in rows]
    write_index(directory, shards)
    return shards


def test_disjoint_splits_pass_and_are_counted(tmp_path):
    made = leakage.check(tmp_path, dataset(tmp_path))
    assert made["passed"] and made["n_slices"] == 4 and made["splits"] == ["test", "train"]
    assert made["same_patients_in_both_domains"] == {"test": False, "train": False}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"id/patient": pseudonym("patient1")}, "patient"),
        ({"id/study": pseudonym("study1")}, "study"),
        ({"id/series": pseudonym("t21")}, "series"),
        ({"image/data": head("t2", 1, 0, 2)}, "slice with equal pixels"),
    ],
)
def test_a_leak_is_an_error_that_names_its_kind(tmp_path, changes, what):
    with pytest.raises(UserError, match=f"A {what} of split train stands in split test") as caught:
        leakage.check(tmp_path, dataset(tmp_path, **changes))
    assert caught.value.exit_code == 8


def test_a_patient_saved_again_under_another_id_is_an_error(tmp_path):
    images = [head("t2", 1, i, 4) for i in range(4)]
    rows = {"train": [record("t2", 1, i, 4, **{"image/data": x}) for i, x in enumerate(images)]}
    rows["train"] += [
        record("t2", 3, i, 4, **{"image/data": x // 5 * 3}) for i, x in enumerate(images)
    ]
    rows["test"] = [
        record("t2", 2, i, 4, **{"image/data": x // 257 * 257}) for i, x in enumerate(images)
    ]
    shards = [write_shard(tmp_path, split, "t2", rows[split]) for split in rows]
    with pytest.raises(
        UserError, match="4 t2 slices of a patient of split t.* saved again"
    ) as raised:
        leakage.check(tmp_path, shards)
    assert raised.value.exit_code == 8


def test_flat_slices_may_be_equal(tmp_path):
    flat = head("t2", 1, 0, 2) * 0
    rows = {
        s: [record("t2", p, 0, 1, **{"image/data": flat})] for p, s in ((1, "train"), (2, "test"))
    }
    shards = [write_shard(tmp_path, split, "t2", rows[split]) for split in rows]
    assert leakage.check(tmp_path, shards)["passed"]


def test_patients_with_both_sequences_are_recorded(tmp_path):
    shards = [
        write_shard(tmp_path, "train", s, [record(s, p, 0, 1) for p in patients])
        for s, patients in (("t2", (1, 2)), ("flair", (2, 3)))
    ]
    made = leakage.check(tmp_path, shards)["same_patients_in_both_domains"]
    assert made == {"train": True}
