"""A model of label images goes the whole road, down to records with a lesion of another patient."""

import json

import numpy as np
import pytest
import tensorflow as tf
from ends_of_runs import assert_same_end, checkpoints
from forked import Forked, finished, wait_for
from ingest_runs import key_file
from places import ROOT
from record_sets import write_dataset
from tiny_runs import rows

from tfcyclegan import compare, evaluate, export, translate
from tfcyclegan.config import CompareConfig, EvaluateConfig, ExportConfig, TranslateConfig
from tfcyclegan.data import labels, manifest
from tfcyclegan.data.pairing import pair
from tfcyclegan.data.slices import load_slices
from tfcyclegan.errors import UserError
from tfcyclegan.ingest.verification import output_check, search
from tfcyclegan.models.serving.saved_model import CARD
from tfcyclegan.translation import from_records

SMALL = (
    *("--image_size=64", "--generator_filters=4", "--discriminator_filters=4", "--unet_levels=3"),
    *("--epochs=2", "--decay_start_epoch=1", "--steps_per_epoch=6"),
    *("--validation_pairs=8", "--validate_every=1"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_dataset(tmp_path_factory.mktemp("masked") / "records", masks=True)
    card = json.loads((folder / manifest.CARD).read_text())
    said = {"config_hash": "0" * 32, "key_id": "0123abcd", **card}
    (folder / manifest.CARD).write_text(json.dumps(said))
    return folder


def command(data, workdir) -> tuple[str, ...]:
    start = ("-m", "tfcyclegan.train", f"--flagfile={ROOT}/configs/tumorgan_128.flags")
    return (*start, *SMALL, f"--data_dir={data}", f"--workdir={workdir}")


@pytest.fixture(scope="module")
def root(data, tmp_path_factory, forked_python):
    root = tmp_path_factory.mktemp("painter")
    process = Forked(*command(data, root / "run"))
    assert wait_for(process, lambda: len(checkpoints(root / "run")) == 2), process.printed()
    process.kill()
    for name in ("run", "uncut"):
        code, text = finished(*command(data, root / name))
        assert code == 0, text
    run, records = f"--workdir={root}/run", f"--data_dir={data}"
    evaluate.main(EvaluateConfig.parse(run, records, f"--output={root}/eval"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.executable", forked_python)  # loads the export
        export.main(ExportConfig.parse(run, f"--output={root}/export"))
    model = f"--model={root}/export/1"
    evaluate.main(EvaluateConfig.parse(model, records, f"--output={root}/eval_of_export"))
    both = f"--runs={root}/eval,{root}/eval_of_export"
    compare.main(CompareConfig.parse(both, f"--output={root}/compared"))
    return root


def test_a_run_that_was_killed_ends_as_one_that_was_not(root):
    assert_same_end(root / "run", root / "uncut", fewest=50)


def test_a_run_says_what_it_learnt_from_and_shows_what_it_paints(root):
    described = json.loads((root / "run" / "run.json").read_text())
    pairs = described["pairs"]
    assert (pairs["n_pairs"], pairs["n_patients"], pairs["n_without_masks"]) == (12, 3, 0)
    assert described["selection"]["by"] in ("kid_patient", "kid")
    assert not any("psnr" in name for name in rows(root / "run")[0])
    names = {path.name for path in (root / "run" / "samples").iterdir()}
    assert names == {f"epoch_{e:04d}_samples_{d}.png" for e in (1, 2) for d in "ab"}


def test_it_is_scored_by_distances_and_belongs_to_those_whose_brains_it_shows(root):
    report = json.loads((root / "eval" / "metrics.json").read_text())
    assert report["model"]["kind"] == "labels"
    for figures in report["directions"].values():
        for name in ("psnr_volume", "ssim_brain", "lesion_contrast_log_ratio"):
            assert figures["model"][name]["value"] is None
            assert figures["model"][name]["reason"] == "the model has no source image"
        assert figures["model"]["kid"]["value"] is not None
        assert figures["model"]["kid_patient"]["n_patients"] == 2
    assert report["warnings"][0].startswith("The model makes images of label images.")
    assert (root / "eval" / "closest_training_slices_b_to_a.png").is_file()


def test_its_export_paints_what_was_evaluated(root):
    card = json.loads((root / "export" / "1" / CARD).read_text())
    assert (card["kind"], card["model"], card["trained_on_pairs"]) == (
        "labels", "TumorGAN", "12 pairs of 3 patients"
    )  # fmt: skip
    one, other = (
        json.loads((root / name / "metrics.json").read_text())["directions"]
        for name in ("eval", "eval_of_export")
    )
    for direction in ("a_to_b", "b_to_a"):
        values = [found[direction]["model"]["kid"]["value"] for found in (one, other)]
        assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_what_it_cannot_do_is_refused_in_a_sentence(root, tmp_path, dataset):
    paths = (f"--model={root}/export", f"--input={tmp_path}", f"--output={tmp_path}/out")
    flags = TranslateConfig.parse(*paths, f"--key_file={key_file(tmp_path)}")
    with pytest.raises(UserError, match="makes images of label images and translates none"):
        translate.main(flags)
    code, text = finished(*command(dataset, tmp_path / "run"))
    assert code == 5 and "needs pairs with a lesion mask and a brain mask" in text
    assert not (tmp_path / "run").exists()
    run = (f"--workdir={root}/run", f"--data_dir={dataset}", f"--output={tmp_path}/eval")
    with pytest.raises(UserError, match="this split has none"):
        evaluate.main(EvaluateConfig.parse(*run))


@pytest.fixture(scope="module")
def made(root, data, tmp_path_factory) -> dict:
    """Direction to the directory of a synthetic dataset."""
    outputs = {}
    for direction in ("a_to_b", "b_to_a"):
        output = outputs[direction] = tmp_path_factory.mktemp(direction) / "out"
        paths = (f"--model={root}/export", f"--input={data}", f"--output={output}", "--dataset")
        flags = TranslateConfig.parse(*paths, f"--direction={direction}", "--samples=20")
        assert translate.main(flags) == 0
        assert list(output_check.check(output, search.Needles([]))) == []
    return outputs


def test_both_sequences_of_a_virtual_patient_are_a_pair(made):
    sides = [
        load_slices(
            str(made[direction]),
            manifest.read(made[direction]),
            split="train",
            sequence=sequence,
            image_size=64,
            masks=labels.MASKS,
        )
        for direction, sequence in (("b_to_a", "t2"), ("a_to_b", "flair"))
    ]
    pairs = pair(*sides)
    assert len(pairs) == len(sides[0]) == len(np.unique(sides[0].metadata["id/patient"])) == 20
    np.testing.assert_array_equal(pairs.a.masks["lesion"], pairs.b.masks["lesion"])
    assert not np.array_equal(pairs.a.images, pairs.b.images)


def test_a_record_has_the_masks_that_it_was_painted_of(made, root, data):
    shards = manifest.read(made["a_to_b"])
    found = [row for s in shards for row in from_records.read(made["a_to_b"] / s.shard)]
    signature = tf.saved_model.load(str(root / "export" / "1")).signatures["label_to_images"]
    row = found[5]
    masks = np.stack([row[f"mask/{name}"] for name in labels.MASKS], -1)
    small = masks.reshape(64, 4, 64, 4, 3).mean((1, 3)) > 0.5
    image = signature(label=tf.constant(labels.images(small[None])))["image"][0, ..., 1].numpy()
    whole = row["image/data"].reshape(64, 4, 64, 4).mean((1, 3)) / 65535
    assert np.abs(whole - image).mean() < 0.02
    own = [
        source
        for shard in manifest.read(data)
        if (shard.split, shard.sequence) == ("train", "t2")
        for source in from_records.read(data / shard.shard)
    ]
    brains = [s for s in own if np.array_equal(s["mask/brain"], row["mask/brain"])]
    lesions = [s for s in own if np.array_equal(s["mask/lesion"], row["mask/lesion"])]
    assert brains and lesions and row["prov/synthetic"] == 1
