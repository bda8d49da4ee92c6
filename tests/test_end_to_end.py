"""The road of the README on the phantom, each station by its own command; and its dead ends."""

import json
import subprocess

import cv2
import numpy as np
import pytest
import tensorflow as tf
from forked import finished
from record_sets import write_dataset, write_index
from tiny_runs import TINY_RUN, command

from tfcyclegan.data import manifest
from tools import study_picture

KEY = b"phantom patients need no secret: 1"
"""Puts the six patients of seed 0 into all three splits."""


def succeed(*arguments: str) -> None:
    result = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """Everything from DICOM to SavedModel, small."""
    root = tmp_path_factory.mktemp("road")
    (root / "key").write_bytes(KEY)
    (root / "key").chmod(0o600)
    succeed(
        "tools/make_phantom.py",
        f"--output={root}/dicom",
        "--patients=6",
        "--slices=8",
        "--matrix=64",
    )
    succeed(
        "tools/dicom_to_tfrecord.py",
        f"--input={root}/dicom",
        f"--output={root}/records",
        f"--key_file={root}/key",
        "--splits=train:0.5,val:0.25,test:0.25",
    )
    data = f"--data_dir={root}/records"
    succeed("-m", "tfcyclegan.train", *TINY_RUN, "--epochs=2", data, f"--workdir={root}/run")
    succeed("-m", "tfcyclegan.evaluate", f"--workdir={root}/run", data, f"--output={root}/eval")
    succeed("-m", "tfcyclegan.export", f"--workdir={root}/run", f"--output={root}/export")
    again = (f"--model={root}/export/1", data, f"--output={root}/eval2")
    code, text = finished("-m", "tfcyclegan.evaluate", *again)  # started above as a user does
    assert code == 0, text
    study = (f"--input={root}/dicom/patient001", f"--output={root}/translated")
    succeed("-m", "tfcyclegan.translate", f"--model={root}/export", "--audit", *study)
    return root


def test_a_translated_study_ends_the_road(road):
    (line,) = (road / "translated" / "translation.jsonl").read_text().splitlines()
    report = json.loads(line)
    assert report["slices"] == len(report["risks"]) == 8 and len(report["files"]) == 3
    *series, page = (road / "translated" / file for file in report["files"])
    assert [len(list(folder.iterdir())) for folder in series] == [8, 8]
    assert "Translated study" in page.read_text()


def test_the_picture_of_a_study_shows_slices_of_one_place(road, tmp_path):
    study = road / "dicom" / "patient001"
    succeed("tools/study_picture.py", study, road / "translated", tmp_path / "picture.png")
    height, width, _ = cv2.imread(str(tmp_path / "picture.png")).shape
    assert 1.5 < width / height < 2.5 and (tmp_path / "picture.png").stat().st_size < 150_000
    volumes = study_picture.panels(study, road / "translated")
    assert list(volumes) == ["T2, source", "synthetic FLAIR", "real FLAIR", "risk"]
    for volume in volumes.values():
        assert volume.shape == (8, 64, 64) and 0 <= volume.min() < volume.max() <= 1
    with pytest.raises(ValueError, match="does not lie where the source lies"):
        study_picture.panels(road / "dicom" / "patient002", road / "translated")
    lesions = np.zeros((5, 4, 4), bool)
    lesions[1, 0, :2] = lesions[3, :, 0] = lesions[4, 0, 0] = True
    assert study_picture.chosen(lesions) == [1, 3]


def test_every_phantom_patient_arrives_once_with_both_sequences(road):
    shards = manifest.read(road / "records")
    manifest.verify(road / "records", shards)
    assert {(s.split, s.sequence) for s in shards} == {
        (split, sequence) for split in ("train", "val", "test") for sequence in ("t2", "flair")
    }
    for sequence in ("t2", "flair"):
        patients = [p for s in shards if s.sequence == sequence for p in s.patients]
        assert len(patients) == len(set(patients)) == 6


def test_the_phantoms_sequences_are_an_exact_pair_after_conversion(road):
    report = json.loads((road / "eval" / "metrics.json").read_text())
    assert report["n_pairs"] >= 5 and report["n_unpaired"] == {"a": 0, "b": 0}
    copied = report["directions"]["a_to_b"]["copy_source"]
    # Same anatomy, other contrast: alike, but far from equal.
    assert 0.3 < copied["ssim"]["value"] < 0.95 and 8 < copied["psnr_volume"]["value"] < 25


def test_the_saved_model_scores_as_the_run_it_came_from(road):
    made, expected = (
        json.loads((road / name / "metrics.json").read_text())["directions"]
        for name in ("eval2", "eval")
    )
    for direction in ("a_to_b", "b_to_a"):
        for metric, score in expected[direction]["model"].items():
            value, wanted = made[direction]["model"][metric]["value"], score["value"]
            if wanted is not None:
                wanted = pytest.approx(wanted, rel=1e-3, abs=1e-6)
            assert value == wanted, (direction, metric)


def test_nothing_of_a_header_is_in_any_output(road):
    secrets = [b"PHANTOM", b"Phantom^"]
    for folder in ("records", "run", "eval", "export"):
        for path in (road / folder).rglob("*"):
            text = path.name.encode() + (path.read_bytes() if path.is_file() else b"")
            for secret in secrets:
                assert secret not in text, path


def test_a_server_finds_the_layout_it_expects(road):
    model = tf.saved_model.load(str(road / "export" / "1"))
    assert set(model.signatures) == {"serving_default"} | {
        direction + kind
        for direction in ("a_to_b", "b_to_a")
        for kind in ("", "_volume", "_example")
    }
    image = tf.constant(np.zeros((2, 40, 48, 1), np.float32))
    assert model.signatures["serving_default"](image=image)["image"].shape == (2, 40, 48, 1)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Datasets that must not be trained on, by name."""
    root = tmp_path_factory.mktemp("broken")
    (root / "empty").mkdir()
    for name in ("leaked", "cut"):
        write_dataset(root / name, slices=1)
    shards = manifest.read(root / "leaked")
    rows = [(root / "leaked" / s.shard, s) for s in shards]
    assert rows[0][1].split == "train"
    first, test = rows[0][1], next(s for _, s in rows if s.split == "test")
    moved = manifest.Shard(**{**vars(first), "patients": test.patients})
    write_index(root / "leaked", [moved, *shards[1:]])
    cut = root / "cut" / first.shard
    cut.write_bytes(cut.read_bytes()[:-1000])
    return root


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "tfcyclegan.train", "--data_dir={r}/nowhere"], "does not exist"),
        (["-m", "tfcyclegan.train", "--data_dir={r}/empty"], "must hold dataset_card.json"),
        (["-m", "tfcyclegan.train", "--data_dir={r}/leaked"], "A patient belongs to one split"),
        (["-m", "tfcyclegan.train", "--data_dir={r}/cut"], "is damaged: expected"),
        (["-m", "tfcyclegan.train", "--data_dir={r}/cut", "--epoch=3"], "Did you mean: epochs"),
        (
            ["-m", "tfcyclegan.evaluate", "--workdir={r}/empty", "--data_dir={r}/cut"],
            "holds no flags.txt",
        ),
        (["-m", "tfcyclegan.export", "--workdir={r}/nowhere"], "holds no flags.txt"),
        (["tools/make_phantom.py", "--patients=0"], "--patients=0"),
        (["tools/dicom_to_tfrecord.py", "--input={r}/nowhere", "--key_file={r}/k"], "--input"),
        (["tools/dicom_to_tfrecord.py", "--input={r}/empty", "--key_file={r}/k"], "--input"),
        (["tools/dicom_to_tfrecord.py", "--input={r}/empty"], "--key_file"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_sentence_and_a_non_zero_exit(broken, tmp_path, arguments, message):
    output = "--workdir" if "tfcyclegan.train" in arguments else "--output"
    arguments = [a.format(r=broken) for a in arguments]
    code, text = finished(*arguments, f"{output}={tmp_path / 'out'}")
    assert code > 0
    last = text.strip().splitlines()[-1]
    assert last.startswith("error: ") and message in last, text
    assert "Traceback" not in text
