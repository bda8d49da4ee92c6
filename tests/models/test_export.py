"""What an export holds, and that it is there whole and checked or not at all."""

import errno
import json
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from record_sets import record
from tiny_models import TINY, batch, tiny_model

from tfcyclegan import export, files
from tfcyclegan.config import ExportConfig, TrainConfig
from tfcyclegan.data import record_bytes
from tfcyclegan.data.head import head
from tfcyclegan.errors import UserError
from tfcyclegan.models import translators
from tfcyclegan.models.build import build_model
from tfcyclegan.models.serving import saved_model as exported_model
from tfcyclegan.models.serving import self_check, warmup
from tfcyclegan.models.serving import version as serving_version
from tfcyclegan.models.serving.graph import ServedTranslator
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints, load_run
from tfcyclegan.training.rundir.workdir import claim_workdir

TOLERANCE = 1e-5
"""Unit range; serving.md allows as much between Keras and SavedModel."""


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("export") / "model"
    export.main(ExportConfig.parse(f"--workdir={tiny_run}", f"--output={output}"))
    return output


@pytest.fixture(scope="module")
def served(exported):
    return tf.saved_model.load(str(exported / "1"))


@pytest.fixture
def forked_reload(forked_python, monkeypatch):
    """The process that loads an export is forked; that of `exported` has a true start."""
    monkeypatch.setattr(sys, "executable", forked_python)


@pytest.fixture(scope="module")
def audited(tiny_run, tmp_path_factory, forked_python):
    output = tmp_path_factory.mktemp("audited") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", forked_python)  # `exported` has a true start
        export.main(ExportConfig.parse(f"--workdir={tiny_run}", f"--output={output}", "--audit"))
    return output / "1"


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (*shape, 1)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 36)])
def test_eager_graph_and_saved_model_agree(served, tiny_run, shape):
    model, _, _ = load_run(str(tiny_run))
    image = images(*shape)
    for name, translator in translators.translators_of(model).items():
        generator = model.translators[name]
        eager = (generator(image * 2 - 1) + 1) / 2
        loaded = served.signatures[name](image=tf.constant(image))["image"]
        np.testing.assert_allclose(translator(image), eager, atol=TOLERANCE)
        np.testing.assert_allclose(loaded, eager, atol=TOLERANCE)


def test_the_default_signature_is_a_to_b_and_directions_differ(served):
    image = tf.constant(images(1, 32, 32))
    made = {
        name: served.signatures[name](image=image)["image"].numpy()
        for name in ("serving_default", *translators.DIRECTIONS)
    }
    np.testing.assert_array_equal(made["serving_default"], made["a_to_b"])
    assert np.abs(made["a_to_b"] - made["b_to_a"]).max() > 1e-3


def test_any_size_is_padded_by_reflection_and_cropped_back(served):
    image = images(1, 37, 50)
    made = served.signatures["a_to_b"](image=tf.constant(image))["image"]
    # The U-Net of the run halves four times.
    padded = np.pad(image, [(0, 0), (0, 11), (0, 14), (0, 0)], mode="reflect")
    whole = served.signatures["a_to_b"](image=tf.constant(padded))["image"]
    assert made.shape == image.shape
    np.testing.assert_allclose(made, whole[:, :37, :50], atol=TOLERANCE)


def test_images_of_a_batch_do_not_see_each_other(served):
    image = images(3, 32, 32)
    together = served.signatures["b_to_a"](image=tf.constant(image))["image"]
    alone = served.signatures["b_to_a"](image=tf.constant(image[1:2]))["image"]
    np.testing.assert_allclose(together[1:2], alone, atol=TOLERANCE)


def half_precision_run(workdir):
    """Writes the run of one step under mixed_float16; returns the model, which computes in that."""
    config = TrainConfig.parse(*TINY, f"--workdir={workdir}", "--precision=mixed_float16")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_model(config)
        model.train_step(batch(1))
        claim_workdir(config)
        RunCheckpoints(str(workdir), model).save(Position(1))
    finally:
        keras.config.set_dtype_policy("float32")
    described = {"dataset_hash": "none", "split_hash": "none", "versions": {}}
    (workdir / "run.json").write_text(json.dumps(described))
    return model


def test_a_run_in_half_precision_is_served_in_single(tmp_path, monkeypatch):
    """Rounding is 2^-24 of a value in float32 and 2^-11 in float16, which is 8,192 times as much.

    So the served network is within `TOLERANCE` of a float32 network with the same weights, and the
    network that trained is many times as far from it.
    """
    half = half_precision_run(tmp_path / "run")
    single = build_model(TrainConfig.parse(*TINY))
    # Loading in a fresh process has tests of its own.
    monkeypatch.setattr(serving_version, "check_in_fresh_process", lambda *_: 0.0)
    export.main(ExportConfig.parse(f"--workdir={tmp_path}/run", f"--output={tmp_path}/model"))
    signatures = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures
    image = images(2, 32, 32)
    for name in translators.DIRECTIONS:
        trained, reference = half.translators[name], single.translators[name]
        assert trained.layers[2].compute_dtype == "float16"
        reference.set_weights(trained.get_weights())
        expected = (reference(image * 2 - 1) + 1) / 2
        made = signatures[name](image=tf.constant(image))["image"]
        np.testing.assert_allclose(made, expected, atol=TOLERANCE)
        rounded = (tf.cast(trained(image * 2 - 1), tf.float32) + 1) / 2
        assert np.abs(rounded - expected).max() > 10 * TOLERANCE
    for signature in signatures.values():
        (given,) = signature.structured_input_signature[1].values()
        assert given.dtype in (tf.float32, tf.string)  # a string holds records
        assert {spec.dtype for spec in signature.structured_outputs.values()} == {tf.float32}


def test_the_card_says_what_the_model_is_and_is_not_for(exported):
    card = json.loads((exported / "1" / "assets.extra" / "model_card.json").read_text())
    assert card["domain_a"] == "t2" and card["epochs"] == 4 and card["trained_image_size"] == 64
    assert "Not for diagnosis" in card["limits"] and card["audit"] is False
    assert not any("dir=" in flag for flag in card["flags"]), "paths are not the model's"


def test_the_card_holds_the_data_and_the_scores_of_its_epoch(exported, tiny_run):
    card = json.loads((exported / "1" / "assets.extra" / "model_card.json").read_text())
    described = json.loads((tiny_run / "run.json").read_text())
    assert card["dataset_hash"] == described["dataset_hash"]
    assert card["split_hash"] == described["split_hash"]
    last = json.loads((tiny_run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["epoch"] == card["epochs"]
    scores = {name: value for name, value in last.items() if name.startswith("val_")}
    assert card["metrics"] == scores and len(scores) > 3


@pytest.mark.usefixtures("forked_reload")
def test_volumes_are_windowed_as_those_of_training_were(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    described = json.loads(path.read_text())
    assert described["window_percentiles"] == [0.5, 99.5]
    path.write_text(json.dumps(described | {"window_percentiles": [0.5, None]}))
    flags = (f"--workdir={tmp_path / 'run'}", f"--output={tmp_path / 'model'}")
    export.main(ExportConfig.parse(*flags))
    version = tmp_path / "model" / "1"
    assert exported_model.load(version)[1]["window_percentiles"] == (0.5, None)
    volume = np.random.default_rng(1).gamma(1.0, 300, (2, 37, 50)).astype(np.float32)
    made = tf.saved_model.load(str(version)).signatures["a_to_b_volume"](volume=volume)
    head = np.median(volume[volume > volume.mean()])
    low = np.percentile(volume, 0.5)
    np.testing.assert_allclose(made["scale"], [low, low + 3 * (head - low)], rtol=1e-5)


def test_volumes_and_records_are_translated_as_images_are(served):
    volume = np.random.default_rng(1).uniform(0, 900, (2, 37, 50)).astype(np.float32)
    lo, hi = np.percentile(volume, [0.5, 99.5])
    unit = np.clip((volume - lo) / (hi - lo), 0, 1).astype(np.float32)[..., np.newaxis]
    example = record_bytes.serialize(record("t2", 0, 1, 4))
    stored = record("t2", 0, 1, 4)["image/data"].reshape(1, 64, 4, 64, 4).mean(axis=(2, 4))
    record_image = (np.rint(stored) / 65535).astype(np.float32)[..., np.newaxis]
    for name in translators.DIRECTIONS:
        image = served.signatures[name]
        made = served.signatures[f"{name}_volume"](volume=tf.constant(volume))
        np.testing.assert_allclose(made["scale"], [lo, hi], rtol=1e-6)
        expected = image(image=tf.constant(unit))["image"]
        np.testing.assert_allclose(made["volume"], expected[..., 0], atol=TOLERANCE)
        made = served.signatures[f"{name}_example"](examples=tf.constant([example]))
        expected = image(image=tf.constant(record_image))["image"]
        # Half a stored step may round up here and down there.
        np.testing.assert_allclose(made["image"], expected, atol=1e-4)


def test_an_audited_export_adds_residual_and_risk_to_every_signature(audited):
    model = tf.saved_model.load(str(audited))
    assert json.loads((audited / "assets.extra" / "model_card.json").read_text())["audit"]
    for signature in model.signatures.values():
        assert {"cycle_residual", "risk"} <= signature.structured_outputs.keys()
    image = 0.3 + 0.6 * images(2, 37, 50)
    found = model.signatures["a_to_b"](image=tf.constant(image))
    back = model.signatures["b_to_a"](image=found["image"])["image"]
    residual = np.abs(back - image)
    np.testing.assert_allclose(found["cycle_residual"], residual, atol=TOLERANCE)
    mirrored = model.signatures["a_to_b"](image=tf.constant(image[:, :, ::-1]))["image"]
    doubt = np.maximum(residual, np.abs(mirrored[:, :, ::-1] - found["image"]))
    expected = [np.percentile(d[h], 99) for d, h in zip(doubt, head(image), strict=True)]
    np.testing.assert_allclose(found["risk"], expected, atol=TOLERANCE)


def test_two_exports_into_one_directory_do_not_meet(exported, tiny_run):
    flags = (f"--workdir={tiny_run}", f"--output={exported}")
    before = sorted(path.name for path in exported.iterdir())
    with files.locked(exported), pytest.raises(UserError, match="in use by another") as caught:
        export.main(ExportConfig.parse(*flags))
    assert caught.value.exit_code == 8
    assert sorted(path.name for path in exported.iterdir()) == before


def test_warm_up_requests_run_through_every_signature(exported, served):
    logs = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2", reason="needs the extra `serving`"
    )
    asked = {}
    for row in tf.data.TFRecordDataset(str(exported / "1" / warmup.REQUESTS)).as_numpy_iterator():
        request = logs.PredictionLog.FromString(row).predict_log.request
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        name = request.model_spec.signature_name
        asked[name] = served.signatures[name](**inputs)
    assert asked.keys() == served.signatures.keys()
    assert asked["serving_default"]["image"].shape == (1, 64, 64, 1)


def test_without_the_serving_api_an_export_has_no_warm_up_and_says_so(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    warmup.write_requests(tmp_path, 32)
    assert "extra `serving`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("forked_reload")
def test_a_second_export_is_the_next_version(tmp_path):
    (tmp_path / "9").mkdir()
    assert serving_version.write_version(tmp_path, tiny(), {}) == tmp_path / "10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "9"]


@pytest.mark.usefixtures("forked_reload")
def test_a_model_that_changes_on_its_way_is_not_published(tmp_path, monkeypatch):
    monkeypatch.setattr(self_check, "PARITY", -1.0)
    with pytest.raises(UserError, match="differs from the trained one"):
        serving_version.write_version(tmp_path, tiny(), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("forked_reload")
def test_an_output_that_cannot_be_written_is_named_and_left_as_it_was(tmp_path, monkeypatch):
    """The disk fills up between the model and its warm-up requests."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(serving_version, "write_requests", full)
    with pytest.raises(UserError, match="--output .* No space left on device") as caught:
        serving_version.write_version(tmp_path / "model", tiny(), {})
    assert caught.value.exit_code == 6 and list((tmp_path / "model").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--output cannot be written"):
        serving_version.write_version(tmp_path / "file", tiny(), {})


def tiny() -> ServedTranslator:
    """A pair of functions that TensorFlow can save in no time."""
    image = keras.Input((None, None, 1))
    identity = keras.Model(image, keras.layers.Rescaling(0.5)(image))
    return ServedTranslator({"a_to_b": identity, "b_to_a": identity}, image_size=32)


@pytest.mark.parametrize(("size", "levels"), [(32, 4), (128, 7)])
def test_an_export_is_checked_on_images_that_its_network_can_pad(size, levels):
    """Reflection adds less than an image: the deepest U-Net of 128 px needs 44 pixels."""
    flags = ("--model=pix2pix", "--pairs=only", "--generator=unet_deep", "--direction=a_to_b")
    model = tiny_model(*flags, f"--image_size={size}", f"--unet_levels={levels}")
    served = ServedTranslator(model.translators, image_size=size)
    for name, array in self_check.expectations(served).items():
        assert np.isfinite(array).all(), name
        assert name != "image" or max(array.shape[1:3]) % 2**levels
