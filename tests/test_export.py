"""Keras model, graph and reloaded SavedModel give the same pixels for every size."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan import export, scoring
from tfcyclegan.checkpoints import load_run
from tfcyclegan.config import ExportConfig
from tfcyclegan.errors import UserError

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


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (*shape, 1)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 36)])
def test_eager_graph_and_saved_model_agree(served, tiny_run, shape):
    model, _, _ = load_run(str(tiny_run))
    image = images(*shape)
    for name, translator in scoring.translators_of(model).items():
        generator = {"a_to_b": model.translator_ab, "b_to_a": model.translator_ba}[name]
        eager = (generator(image * 2 - 1) + 1) / 2
        loaded = served.signatures[name](image=tf.constant(image))["image"]
        np.testing.assert_allclose(translator(image), eager, atol=TOLERANCE)
        np.testing.assert_allclose(loaded, eager, atol=TOLERANCE)


def test_the_default_signature_is_a_to_b_and_directions_differ(served):
    image = tf.constant(images(1, 32, 32))
    made = {
        name: served.signatures[name](image=image)["image"].numpy() for name in served.signatures
    }
    np.testing.assert_array_equal(made["serving_default"], made["a_to_b"])
    assert np.abs(made["a_to_b"] - made["b_to_a"]).max() > 1e-3


def test_any_size_is_padded_by_reflection_and_cropped_back(served):
    image = images(1, 37, 50)
    made = served.signatures["a_to_b"](image=tf.constant(image))["image"]
    padded = np.pad(image, [(0, 0), (0, 3), (0, 2), (0, 0)], mode="reflect")
    whole = served.signatures["a_to_b"](image=tf.constant(padded))["image"]
    assert made.shape == image.shape
    np.testing.assert_allclose(made, whole[:, :37, :50], atol=TOLERANCE)


def test_images_of_a_batch_do_not_see_each_other(served):
    image = images(3, 32, 32)
    together = served.signatures["b_to_a"](image=tf.constant(image))["image"]
    alone = served.signatures["b_to_a"](image=tf.constant(image[1:2]))["image"]
    np.testing.assert_allclose(together[1:2], alone, atol=TOLERANCE)


def test_the_card_says_what_the_model_is_and_is_not_for(exported):
    card = json.loads((exported / "1" / "assets.extra" / "model_card.json").read_text())
    assert card["domain_a"] == "t2" and card["epochs"] == 4 and card["trained_image_size"] == 32
    assert "Not for diagnosis" in card["limits"]
    assert not any("dir=" in flag for flag in card["flags"]), "paths are not the model's"


def test_a_second_export_is_the_next_version(exported, tiny_run):
    export.main(ExportConfig.parse(f"--workdir={tiny_run}", f"--output={exported}"))
    assert sorted(path.name for path in exported.iterdir()) == ["1", "2"]


def test_a_model_that_changes_on_its_way_is_not_published(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "PARITY", -1.0)
    with pytest.raises(UserError, match="differs from the trained one"):
        export.main(ExportConfig.parse(f"--workdir={tiny_run}", f"--output={tmp_path}"))
    assert list(tmp_path.iterdir()) == []
