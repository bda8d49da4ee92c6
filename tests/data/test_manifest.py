"""What the trainer refuses to read."""

import dataclasses
import json

import pytest
from record_sets import pseudonym, write_dataset, write_index

from tfcyclegan.data import manifest
from tfcyclegan.errors import UserError


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "data", slices=2)


def test_a_finished_dataset_passes(dataset):
    shards = manifest.read(dataset)
    manifest.verify(dataset, shards)
    assert {(s.split, s.sequence, s.records) for s in shards} >= {
        ("train", "t2", 6),
        ("val", "flair", 4),
    }


def test_shard_names_follow_the_design():
    assert (
        manifest.shard_name("mri", "val", "flair", 3, 12) == "mri-val-flair-00003-of-00012.tfrecord"
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "manifest.jsonl").unlink(), "must hold manifest.jsonl"),
        (lambda d: (d / "dataset_card.json").unlink(), "must hold dataset_card.json"),
        (
            lambda d: (d / "dataset_card.json").write_text('{"schema_version": 99}'),
            "expected schema_version 1. Received: 99",
        ),
        (
            lambda d: (d / "dataset_card.json").write_text("garbage"),
            "expected schema_version 1. Received: None",
        ),
        (lambda d: (d / "manifest.jsonl").write_text("{}\n"), "line 1 is not a manifest row"),
    ],
)
def test_unfinished_and_foreign_datasets_are_refused(dataset, spoil, message):
    spoil(dataset)
    with pytest.raises(UserError, match=message):
        manifest.read(dataset)


def test_a_missing_folder_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match="does not exist. Run tools/dicom_to_tfrecord.py first"):
        manifest.read(tmp_path / "nowhere")


def test_a_patient_in_two_splits_is_refused_with_both_files(dataset):
    shards = manifest.read(dataset)
    leaked = [
        dataclasses.replace(s, patients=(*s.patients, pseudonym("patient5")))
        if s.split == "train"
        else s
        for s in shards
    ]
    write_index(dataset, leaked)
    with pytest.raises(UserError, match="A patient belongs to one split.*train.*test"):
        manifest.read(dataset)


def test_a_shard_cut_at_a_record_boundary_is_refused(dataset):
    """TensorFlow itself reads such a file to its end without a word."""
    shard = next(s for s in manifest.read(dataset) if s.split == "train")
    path = dataset / shard.shard
    path.write_bytes(path.read_bytes()[: shard.bytes // shard.records])
    with pytest.raises(UserError, match=f"{shard.shard} is damaged: expected {shard.bytes} bytes"):
        manifest.verify(dataset, [shard])


def test_one_flipped_bit_and_a_missing_shard_are_refused(dataset):
    first, second = manifest.read(dataset)[:2]
    data = bytearray((dataset / first.shard).read_bytes())
    data[len(data) // 2] ^= 1
    (dataset / first.shard).write_bytes(data)
    with pytest.raises(UserError, match=f"{first.shard} is damaged: its SHA-256"):
        manifest.verify(dataset, [first])
    (dataset / second.shard).unlink()
    with pytest.raises(UserError, match=f"{second.shard} is in the manifest but missing"):
        manifest.verify(dataset, [second])


def test_the_dataset_hash_ignores_order_and_sees_content(dataset):
    shards = manifest.read(dataset)
    changed = [dataclasses.replace(shards[0], sha256="0" * 64), *shards[1:]]
    assert manifest.dataset_hash(shards) == manifest.dataset_hash(shards[::-1])
    assert manifest.dataset_hash(shards) != manifest.dataset_hash(changed)


def test_rows_name_their_patients_and_count_them(dataset):
    row = json.loads((dataset / "manifest.jsonl").read_text().splitlines()[0])
    assert row["n_patients"] == len(row["patients"]) == 3


def test_the_split_hash_follows_patients_and_not_records():
    def shards(split: str, sha256: str = "0") -> list[manifest.Shard]:
        return [
            manifest.Shard("a", "train", "t2", 1, 1, sha256, ("p",)),
            manifest.Shard("b", split, "t2", 1, 1, sha256, ("q",)),
        ]

    assert manifest.split_hash(shards("val")) == manifest.split_hash(shards("val", "1")[::-1])
    assert manifest.split_hash(shards("val")) != manifest.split_hash(shards("test"))
