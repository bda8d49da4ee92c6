"""A generator as a function of images in unit range."""

from collections.abc import Callable

import tensorflow as tf

from tfcyclegan.data import intensity

DIRECTIONS = ("a_to_b", "b_to_a")
OPPOSITE = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}

Translator = Callable[[tf.Tensor], tf.Tensor]
"""From float32 [N, H, W, 1] to the same shape, both in unit range."""


def translator_of(generator) -> Translator:
    """Wraps a generator, which works in model range, for images in unit range."""

    return tf.function(
        lambda images: translated(generator, images), autograph=False, reduce_retracing=True
    )


def translated(generator, images: tf.Tensor) -> tf.Tensor:
    """Returns what a generator in model range makes of images [N, H, W, 1] in unit range.

    float32 in unit range, whatever the precision of the generator; a NaN stays one.
    """
    synthetic = tf.cast(generator(intensity.unit_to_model(images), training=False), tf.float32)
    return tf.clip_by_value(intensity.model_to_unit(synthetic), 0.0, 1.0)


def translators_of(model) -> dict[str, Translator]:
    """Returns the translator of each direction that a `TranslationModel` has."""
    return {name: translator_of(network) for name, network in model.translators.items()}
