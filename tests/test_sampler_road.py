"""A model without a source goes the whole road, and every figure that needs one says why not."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from ends_of_runs import assert_same_end, checkpoints
from forked import Forked, finished, wait_for
from ingest_runs import key_file
from mirror_models import negative, write_model
from places import ROOT
from tiny_runs import rows

from tfcyclegan import compare, evaluate, export, translate
from tfcyclegan.config import CompareConfig, EvaluateConfig, ExportConfig, TranslateConfig
from tfcyclegan.data import intensity, manifest, slices
from tfcyclegan.errors import UserError
from tfcyclegan.ingest.verification import output_check, search
from tfcyclegan.models.serving.saved_model import CARD
from tfcyclegan.translation import from_records, sampled_dataset

SMALL = (
    *("--image_size=64", "--generator_filters=2", "--discriminator_filters=2", "--latent_size=8"),
    *("--batch_size=8", "--epochs=2", "--decay_start_epoch=1", "--steps_per_epoch=6"),
    *("--validation_pairs=8", "--validate_every=1"),
)
NO_SOURCE = "the model has no source image"


@pytest.fixture(scope="module")
def root(dataset, tiny_run, tmp_path_factory, forked_python):
    root, data = tmp_path_factory.mktemp("sampler"), f"--data_dir={dataset}"
    run, uncut = f"--workdir={root}/run", f"--workdir={root}/uncut"
    start = ("-m", "tfcyclegan.train", f"--flagfile={ROOT}/configs/dcgan_128.flags")
    words = (*start, *SMALL, data)
    process = Forked(*words, run)
    assert wait_for(process, lambda: len(checkpoints(root / "run")) == 2), process.printed()
    process.kill()
    for workdir in (run, uncut):
        code, text = finished(*words, workdir)
        assert code == 0, text
    for workdir, name in ((run, "eval"), (f"--workdir={tiny_run}", "cyclegan")):
        evaluate.main(EvaluateConfig.parse(workdir, data, f"--output={root}/{name}"))
    both = f"--runs={root}/eval,{root}/cyclegan"
    compare.main(CompareConfig.parse(both, f"--output={root}/compared"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.executable", forked_python)  # loads the export
        export.main(ExportConfig.parse(run, f"--output={root}/export"))
    model = f"--model={root}/export/1"
    evaluate.main(EvaluateConfig.parse(model, data, f"--output={root}/eval_of_export"))
    return root


def test_a_run_that_was_killed_ends_as_one_that_was_not(root):
    assert_same_end(root / "run", root / "uncut", fewest=50)


def test_an_epoch_is_selected_by_distances_and_shown_by_samples(root):
    described = json.loads((root / "run" / "run.json").read_text())
    assert described["selection"]["by"] in ("kid_patient", "kid")
    assert not any("psnr" in name for name in rows(root / "run")[0])
    names = {path.name for path in (root / "run" / "samples").iterdir()}
    assert names == {f"epoch_{e:04d}_samples_{d}.png" for e in (1, 2) for d in "ab"}


def test_figures_that_need_a_source_are_null_and_say_why(root):
    report = json.loads((root / "eval" / "metrics.json").read_text())
    assert report["model"]["kind"] == "sampler" and report["self_consistency"]["value"] is None
    for figures in report["directions"].values():
        for name in ("psnr_volume", "ssim_brain", "lesion_contrast_log_ratio"):
            assert (figures["model"][name]["value"], figures["model"][name]["reason"]) == (
                None,
                NO_SOURCE,
            )
        assert figures["model"]["kid"]["value"] is not None
        assert figures["copy_source"]["kid"]["value"] is not None
    assert report["warnings"][0].startswith("The model makes images of random numbers.")
    assert report["memorisation"]["a_to_b"]["figure"] == "closest_training_slices_a_to_b.png"
    assert (root / "eval" / "closest_training_slices_b_to_a.png").is_file()


def test_its_export_makes_what_was_evaluated(root):
    version = root / "export" / "1"
    card = json.loads((version / CARD).read_text())
    assert (card["kind"], card["model"], card["cycled"]) == ("sampler", "DCGAN", False)
    assert (
        card["directions"] == ["a_to_b", "b_to_a"] and "translates nothing" in card["intended_use"]
    )
    signatures = tf.saved_model.load(str(version)).signatures
    names = {f"sample_{domain}{kind}" for domain in "ab" for kind in ("", "_latent")}
    assert set(signatures) == {"serving_default", *names}
    one, other = (
        json.loads((root / name / "metrics.json").read_text())["directions"]["a_to_b"]["model"]
        for name in ("eval", "eval_of_export")
    )
    assert one["kid"]["value"] == pytest.approx(other["kid"]["value"], abs=1e-6)


def test_a_comparison_stands_it_beside_a_translator(root):
    figures = json.loads((root / "compared" / "compare.json").read_text())["directions"]["a_to_b"]
    assert [run["value"] is None for run in figures["psnr_volume"]["runs"]] == [True, False]
    assert all(run["value"] is not None for run in figures["kid"]["runs"])


def test_what_it_cannot_do_is_refused_in_a_sentence(root, tmp_path):
    with pytest.raises(UserError, match="--audit needs a model that was trained to come back"):
        export.main(ExportConfig.parse(f"--workdir={root}/run", f"--output={tmp_path}", "--audit"))
    paths = (f"--model={root}/export", f"--input={tmp_path}", f"--output={tmp_path}/out")
    flags = TranslateConfig.parse(*paths, f"--key_file={key_file(tmp_path)}")
    with pytest.raises(UserError, match="makes images of random numbers and translates none"):
        translate.main(flags)
    flags = TranslateConfig.parse(*paths, "--dataset", f"--key_file={tmp_path}/key")
    with pytest.raises(UserError, match="give --dataset, and converted records as --input"):
        translate.main(flags)


@pytest.fixture(scope="module")
def converted(dataset, tmp_path_factory):
    """The records that the sampler learnt from, with what a converter says of itself."""
    folder = tmp_path_factory.mktemp("converted") / "records"
    shutil.copytree(dataset, folder)
    card = json.loads((folder / manifest.CARD).read_text())
    (folder / manifest.CARD).write_text(
        json.dumps({"config_hash": "0" * 32, "key_id": "0123abcd", **card})
    )
    return folder


def made(root, dataset, output, *flags: str) -> list[dict]:
    """Records of samples, after the checks of every finished output."""
    paths = (f"--model={root}/export", f"--input={dataset}", f"--output={output}", "--dataset")
    assert translate.main(TranslateConfig.parse(*paths, *flags)) == 0
    assert list(output_check.check(output, search.Needles([]))) == []
    shards = manifest.read(output)
    return [row for shard in shards for row in from_records.read(output / shard.shard)]


def test_a_dataset_is_made_of_its_samples(root, converted, tmp_path):
    found = made(root, converted, tmp_path / "b", "--png")
    assert {(shard.split, shard.sequence) for shard in manifest.read(tmp_path / "b")} == {
        ("train", "flair")
    }
    real = [s for s in manifest.read(converted) if (s.split, s.sequence) == ("train", "flair")]
    assert (
        len(found)
        == sum(shard.records for shard in real)
        == len(list((tmp_path / "b" / "png").iterdir()))
    )
    for name in ("id/patient", "id/study", "id/series", "id/frame_of_ref", "geom/grid"):
        assert len({row[name] for row in found}) == len(found)
    signature = tf.saved_model.load(str(root / "export" / "1")).signatures["sample_b"]
    for number in (0, len(found) - 1):
        image = signature(seed=tf.constant([number], tf.int64))["image"].numpy()[..., 0]
        expected = slices.resample(intensity.unit_to_stored(image), 256)[0].astype(int)
        assert np.abs(found[number]["image/data"] - expected).max() <= 1
        row = found[number]
        assert (row["prov/synthetic"], row["mask/lesion"], row["geom/slice_count"]) == (1, None, 1)
        assert np.isnan(row["mr/te_ms"]) and row["mr/manufacturer"] == "other"


def test_a_sample_is_the_same_however_many_are_asked_for(root, converted, tmp_path, monkeypatch):
    monkeypatch.setattr(sampled_dataset, "SHARD", 4)
    asked = (f"--samples={n}" for n in (3, 9))
    few, more = (made(root, converted, tmp_path / n[10:], n, "--direction=b_to_a") for n in asked)
    assert (len(few), len(more), len(manifest.read(tmp_path / "9"))) == (3, 9, 3)
    for one, other in zip(few, more, strict=False):
        np.testing.assert_allclose(one["image/data"], other["image/data"].astype(int), atol=1)
        assert one["series/class"] == "t2"


def test_samples_are_asked_of_a_sampler_alone(tmp_path):
    model = write_model(tmp_path / "model", negative, negative)
    paths = (f"--model={model}", f"--input={tmp_path}", f"--output={tmp_path}/out", "--dataset")
    with pytest.raises(UserError, match="--samples means nothing to a --model that translates"):
        translate.main(TranslateConfig.parse(*paths, "--samples=3"))
