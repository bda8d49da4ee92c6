"""Translations and features of slices, the same in training and in evaluation."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfcyclegan import intensity
from tfcyclegan.pairing import Pairs

if TYPE_CHECKING:  # Whoever only translates does without their networks, and starts sooner.
    from tfcyclegan.extractors import Extractor

BATCH = 8
DIRECTIONS = ("a_to_b", "b_to_a")
UNIT_RANGE = 1.0

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
    made = tf.cast(generator(intensity.unit_to_model(images), training=False), tf.float32)
    return tf.clip_by_value(intensity.model_to_unit(made), 0.0, 1.0)


def translators_of(model) -> dict[str, Translator]:
    """Returns the translator of each direction of a CycleGAN."""
    return {
        "a_to_b": translator_of(model.translator_ab),
        "b_to_a": translator_of(model.translator_ba),
    }


def translate(translator: Translator, images: np.ndarray) -> np.ndarray:
    """Translates float32 [N, H, W, 1] in unit range batch by batch.

    The last batch is filled up and cut again, so that one shape is traced.
    """
    missing = -len(images) % BATCH
    filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    parts = [
        np.asarray(translator(tf.constant(part))) for part in np.split(filled, len(filled) // BATCH)
    ]
    return np.concatenate(parts)[: len(images)]


@dataclasses.dataclass(frozen=True)
class Direction:
    """One direction of paired evaluation; images are float32 [N, H, W, 1], unit range.

    Args:
        name: "a_to_b" or "b_to_a".
        source: Slices that are translated.
        target: Real slices of the same place.
        patients: Pseudonym of each slice's patient, [N].
        volumes: Id of each slice's target series, [N].
        indices: Position of each slice in its target series, [N].
    """

    name: str
    source: np.ndarray
    target: np.ndarray
    patients: np.ndarray
    volumes: np.ndarray
    indices: np.ndarray


def directions_of(pairs: Pairs) -> tuple[Direction, Direction]:
    """Returns both directions of a set of pairs."""
    a, b = pairs.a.unit(), pairs.b.unit()
    return (_direction("a_to_b", a, b, pairs.b), _direction("b_to_a", b, a, pairs.a))


def _direction(name: str, source: np.ndarray, target: np.ndarray, slices) -> Direction:
    ids = {key: slices.metadata[key] for key in ("id/patient", "id/series", "geom/slice_index")}
    return Direction(
        name, source, target, ids["id/patient"], ids["id/series"], ids["geom/slice_index"]
    )


def features(extractor: "Extractor", images: np.ndarray) -> np.ndarray:
    """Returns float32 features [N, d] of images [N, H, W, 1] in unit range."""
    return translate(_compiled(extractor), images)


@functools.cache
def _compiled(extractor: "Extractor") -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(extractor.__call__, autograph=False, reduce_retracing=True)
