"""Exported models whose pixels are a formula, so that a translation is known in closed form."""

import json
import pathlib

import tensorflow as tf

from tfcyclegan import translate
from tfcyclegan.config import TranslateConfig
from tfcyclegan.models.serving.saved_model import CARD


class Formula(tf.Module):
    """The signatures of an export around two functions of images in unit range."""

    IMAGE = tf.TensorSpec([None, None, None, 1], tf.float32, name="image")

    def __init__(self, forward, back):
        super().__init__()
        self._forward, self._back = forward, back
        self.unused = tf.Variable(0.0)  # so that there is a file of variables

    @tf.function(input_signature=[IMAGE])
    def a_to_b(self, image):
        return {"image": self._forward(image)}

    @tf.function(input_signature=[IMAGE])
    def b_to_a(self, image):
        return {"image": self._back(image)}


def write_model(
    directory: pathlib.Path, forward, back, *, size: int = 256, **further
) -> pathlib.Path:
    """Writes version 1 of a model from T2 to FLAIR and returns the directory above it.

    Args:
        further: What its card also says.
    """
    model = Formula(forward, back)
    signatures = {"a_to_b": model.a_to_b, "b_to_a": model.b_to_a}
    tf.saved_model.save(model, str(directory / "1"), signatures=signatures)
    card = directory / "1" / CARD
    card.parent.mkdir()
    facts = {"domain_a": "t2", "domain_b": "flair", "trained_image_size": size, "epochs": 1}
    card.write_text(json.dumps(facts | further))
    return directory


def negative(image):
    return 1.0 - image


def run(model, source, output, *flags: str) -> int:
    """Translates by the command, without the guard that takes ramps for drawn text."""
    arguments = (f"--model={model}", f"--input={source}", f"--output={output}")
    return translate.main(TranslateConfig.parse(*arguments, "--text_guard=off", *flags))
