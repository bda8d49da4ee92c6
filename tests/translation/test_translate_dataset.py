"""Synthetic datasets: the record contract, provenance in every record, and what is left out."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
from dicom_studies import write_study
from ingest_runs import Result, convert, key_file
from mirror_models import negative, run, write_model
from record_sets import record, write_index, write_shard

from tfcyclegan.data import record_bytes, records
from tfcyclegan.data.manifest import Shard
from tfcyclegan.data.training_slices import pairs_of
from tfcyclegan.errors import UserError
from tfcyclegan.ingest.verification import known_strings, output_check, search
from tfcyclegan.privacy import guard
from tfcyclegan.translation import from_records

SPLITS = "--splits=train:1"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), negative, negative)


@pytest.fixture(scope="module")
def both(model, tmp_path_factory):
    """(real records of a study, synthetic ones of the same study under the same key)."""
    folder = tmp_path_factory.mktemp("both")
    write_study(folder / "in", rows=64, columns=48)
    code, real = convert(folder, folder / "in")
    assert code == 0
    key = f"--key_file={folder / 'key'}"
    assert run(model, folder / "in", folder / "new", "--dataset", "--png", SPLITS, key) == 0
    return real.records("t2"), Result(folder / "new")


def test_each_record_is_its_source_but_for_the_pixels_and_what_says_so(both):
    sources, result = both
    made = result.records("flair")
    assert len(made) == len(sources) == 6 and result.records("t2") == []
    changed = {"image/data", "image/scale_lo", "image/scale_hi", "series/class"}
    changed |= {f"mr/{name}_ms" for name in ("te", "tr", "ti")} | {"mr/flip_deg", "mr/etl"}
    changed |= {"prov/config_hash", "prov/synthetic", "prov/generator"}
    for source, synthetic in zip(sources, made, strict=True):
        for name in records.FIELDS.keys() - changed:
            np.testing.assert_array_equal(synthetic[name], source[name], err_msg=name)
        assert (source["prov/synthetic"], synthetic["prov/synthetic"]) == (0, 1)
        assert source["prov/generator"] == records.NO_GENERATOR != synthetic["prov/generator"]
        assert np.isnan(synthetic["mr/te_ms"])
        y0, x0, height, width = source["image/content_box"]
        box = np.s_[y0 : y0 + height, x0 : x0 + width]
        truth = np.zeros((256, 256), np.uint16)
        truth[box] = 65535 - source["image/data"][box]
        np.testing.assert_allclose(synthetic["image/data"], truth, atol=1)
        assert width < 256, "there is a border that stays empty"


def test_the_card_and_the_pictures(both):
    _, result = both
    assert result.card["synthetic"] is True
    assert result.card["splits"]["train"]["slices"] == {"flair": 6}
    for row in result.records("flair"):
        name = f"{row['id/series'].decode()}-{row['geom/slice_index']:04d}.png"
        picture = cv2.imread(str(result.directory / "png" / name), cv2.IMREAD_UNCHANGED)
        assert picture.dtype == np.uint16
        np.testing.assert_array_equal(picture, row["image/data"])
    assert list(output_check.check(result.directory, search.Needles([]))) == []


def test_sources_are_windowed_as_those_of_training_were(tmp_path):
    model = write_model(tmp_path / "model", negative, negative, window_percentiles=[0.5, None])
    write_study(tmp_path / "in", rows=64, columns=48)
    real = convert(tmp_path, tmp_path / "in", "--normalization=head-median")[1].records("t2")
    key = f"--key_file={tmp_path / 'key'}"
    assert run(model, tmp_path / "in", tmp_path / "new", "--dataset", SPLITS, key) == 0
    made = Result(tmp_path / "new").records("flair")
    assert len(made) == len(real) == 6
    for source, synthetic in zip(real, made, strict=True):
        y0, x0, height, width = source["image/content_box"]
        box = np.s_[y0 : y0 + height, x0 : x0 + width]
        expected = 65535 - source["image/data"][box]
        np.testing.assert_allclose(synthetic["image/data"][box], expected, atol=1)


def test_records_of_another_window_are_refused(converted, tmp_path):
    model = write_model(tmp_path / "model", negative, negative, window_percentiles=[0.5, None])
    with pytest.raises(UserError, match="with --normalization=head-median") as caught:
        run(model, converted[0], tmp_path / "new")
    assert caught.value.exit_code == 2 and not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Records of two patients; one slice of T2 is bright, and one has a lesion mask."""
    folder = tmp_path_factory.mktemp("converted")
    lesion = np.zeros((256, 256), bool)
    lesion[100:110, 90:95] = True
    rows = [record("t2", 1, i, 4, **{"prov/key_id": "abcd0123"}) for i in range(4)]
    rows[1]["mask/lesion"] = lesion
    rows[2]["image/data"] = np.full((256, 256), 60000, np.uint16)
    shards = [write_shard(folder, "train", "t2", rows)]
    shards.append(write_shard(folder, "test", "t2", [record("t2", 2, i, 4) for i in range(4)]))
    shards.append(write_shard(folder, "train", "flair", [record("flair", 1, 0, 4)]))
    write_index(folder, shards)
    card = folder / "dataset_card.json"
    facts = {"config_hash": "0" * 32, "key_id": "0123abcd", **json.loads(card.read_text())}
    card.write_text(json.dumps(facts))
    return folder, rows


def test_records_keep_their_split_place_and_mask(model, converted, tmp_path):
    folder, rows = converted
    assert run(model, folder, tmp_path / "out") == 0
    result = Result(tmp_path / "out")
    made = result.records()
    assert len(made) == 8 and {r["series/class"] for r in made} == {b"flair"}
    first = [r for r in made if r["id/patient"] == rows[0]["id/patient"].encode()]
    for row, source in zip(first, rows, strict=True):
        np.testing.assert_allclose(row["image/data"], 65535 - source["image/data"], atol=1)
    masks, there = records.decode_mask(tf.constant([r["mask/lesion"] for r in first]))
    assert there.numpy().tolist() == [False, True, False, False]
    np.testing.assert_array_equal(masks[1], rows[1]["mask/lesion"])
    files = {path.name: path.stat().st_mtime_ns for path in result.directory.glob("*.tfrecord")}
    assert sorted(files) == [
        "test-test-flair-00000-of-00001.tfrecord",
        "test-train-flair-00000-of-00001.tfrecord",
    ]
    assert run(model, folder, tmp_path / "out") == 0
    with pytest.raises(UserError, match="no records of") as caught:
        run(model, result.directory, tmp_path / "again")
    assert caught.value.exit_code == 3


def test_abstaining_leaves_out_what_is_above_the_limit(tmp_path, converted, capsys):
    """The way back of this model loses all that is brighter than a half."""
    lossy = write_model(tmp_path / "model", lambda x: x, lambda y: tf.minimum(y, 0.5), size=256)
    folder, _ = converted
    flags = ("--audit", "--max_risk=0.41")
    assert run(lossy, folder, tmp_path / "marked", *flags) == 0
    assert len(Result(tmp_path / "marked").records()) == 8
    assert "1 marked" in capsys.readouterr().out
    assert run(lossy, folder, tmp_path / "fewer", *flags, "--abstain") == 0
    made = Result(tmp_path / "fewer").records()
    assert len(made) == 7 and max(int(r["image/data"].max()) for r in made) < 60000
    assert "1 left out" in capsys.readouterr().out


def test_abstaining_from_slices_of_a_study_is_accounted_for(tmp_path):
    write_study(tmp_path / "in", rows=48, columns=48)
    lossy = write_model(tmp_path / "model", lambda x: x, lambda y: tf.minimum(y, 0.99))
    key = f"--key_file={key_file(tmp_path)}"
    flags = ("--audit", "--max_risk=0.0099", "--abstain", key)
    assert run(lossy, tmp_path / "in", tmp_path / "series", *flags) == 0
    reasons = [json.loads(r)["reason"] for r in (tmp_path / "series" / "audit.jsonl").open()]
    (report,) = map(json.loads, (tmp_path / "series" / "translation.jsonl").open())
    made = list((tmp_path / "series").rglob("*.dcm"))
    gone = len(report["marked"])
    assert 0 < gone < 6 and report["left_out"] and len(report["risks"]) == 6
    assert report["slices"] == 6 - gone and len(made) == 2 * (6 - gone)
    assert reasons.count("high_risk") == gone
    assert run(lossy, tmp_path / "in", tmp_path / "set", *flags, "--dataset", SPLITS) == 0
    result = Result(tmp_path / "set")
    assert len(result.records()) == 6 - gone and result.reasons["high_risk"] == gone


def test_records_from_before_there_was_provenance_read_as_a_scanners():
    example = tf.train.Example.FromString(record_bytes.serialize(record("t2", 1, 0, 4)))
    masks = [f"mask/{name}" for name in records.MASKS]
    for name in ("prov/synthetic", "prov/generator", *masks):
        del example.features.feature[name]
    guard.check_example(example, records.FIELDS)
    parsed = records.parse(tf.constant([example.SerializeToString()]))
    assert parsed["prov/synthetic"].numpy().tolist() == [0]
    assert parsed["prov/generator"].numpy().tolist() == [records.NO_GENERATOR]


def test_a_dataset_wants_the_key_of_its_patients(model, tmp_path):
    write_study(tmp_path / "in")
    with pytest.raises(UserError, match="needs --key_file"):
        run(model, tmp_path / "in", tmp_path / "out", "--dataset")


def test_a_patient_in_two_shards_of_a_split_is_counted_once():
    def shard(number: int, split: str, patients: tuple[str, ...]) -> Shard:
        return Shard(f"s-{split}-flair-{number}", split, "flair", 10, 1, "0" * 64, patients)

    written = [shard(0, "train", ("p", "q")), shard(1, "train", ("q",)), shard(0, "test", ("r",))]
    assert from_records.splits_of(written) == {
        "train": {"patients": 2, "slices": {"flair": 20}},
        "test": {"patients": 1, "slices": {"flair": 10}},
    }


@pytest.mark.parametrize("features", ["vgg19", "randconv_v1", "photographs"])
def test_what_a_model_says_of_its_pairs_passes_the_check_of_outputs(features):
    described = {"pairs": {"n_pairs": 971, "n_patients": 1}}
    assert known_strings.is_known(pairs_of({"pairs": {"n_pairs": 0}}))
    assert known_strings.is_known(pairs_of(described))
    described["compared_by"] = {"b": {"network": features, "sha256": "0123456789abcdef"}}
    assert known_strings.is_known(pairs_of(described)) == (features != "photographs")
