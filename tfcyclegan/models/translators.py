"""A generator as a function of images in unit range."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcyclegan.data import intensity

DIRECTIONS = ("a_to_b", "b_to_a")
OPPOSITE = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}

SAMPLED = 2_023
"""Second half of the seed of every sample."""
INTO = {"a": "b_to_a", "b": "a_to_b"}
"""Domain to the direction whose images are of it, also where they are made of random numbers."""

Translator = Callable[[tf.Tensor], tf.Tensor]
"""From float32 [N, H, W, 1] to the same shape, both in unit range."""
Sampler = Callable[[np.ndarray], np.ndarray]
"""From numbers int64 [N], or label images, to the samples, float32 [N, H, W, 1] in unit range."""
MADE_OF = {"sampler": "random numbers", "labels": "label images"}
"""Kind of a model without a source to what it makes its images of, for texts."""
BATCH = 16
"""Samples made at once."""


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


def directions_of(model) -> tuple[str, ...]:
    """Returns the directions that a model makes images in, with a source or without."""
    made = (*model.translators, *(INTO[domain] for domain in model.samplers))
    return tuple(name for name in DIRECTIONS if name in made)


def sampled(sampler, latents: tf.Tensor) -> tf.Tensor:
    """Returns what a sampler in model range makes of latents [N, z], float32 in unit range."""
    images = tf.cast(sampler(latents, training=False), tf.float32)
    return tf.clip_by_value(intensity.model_to_unit(images), 0.0, 1.0)


def latents(numbers: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the latents of samples, each of which is a function of its number alone.

    So a sample does not depend on how many are made, or in which batches.

    Args:
        numbers: int64 [N].
        size: Length z of a latent.

    Returns:
        float32 [N, z], standard normal.
    """

    def one(number: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal((size,), tf.stack([number, SAMPLED]))

    return tf.map_fn(one, numbers, fn_output_signature=tf.TensorSpec([size], tf.float32))


def latents_of(sampler, count: int) -> np.ndarray:
    """Returns the latents of the first `count` samples of a Keras model, float32 [count, z]."""
    return latents(tf.range(count, dtype=tf.int64), sampler.input_shape[1]).numpy()


def sampler_of(sampler) -> Sampler:
    """Wraps a sampler, which works in model range, for the samples in unit range."""
    made = tf.function(
        lambda latents: sampled(sampler, latents), autograph=False, reduce_retracing=True
    )

    def of_numbers(numbers: tf.Tensor) -> tf.Tensor:
        return made(latents(numbers, sampler.input_shape[1]))

    return in_parts(of_numbers)


def in_parts(made: Callable[[tf.Tensor], tf.Tensor], dtype: tf.DType = tf.int64) -> Sampler:
    """Wraps what makes a few samples at once for any number of them."""

    def images(given: np.ndarray) -> np.ndarray:
        starts = range(0, len(given), BATCH)
        parts = [made(tf.constant(given[i : i + BATCH], dtype)) for i in starts]
        return np.concatenate([part.numpy() for part in parts])

    return images


def samplers_of(model) -> dict[str, Sampler]:
    """Returns what makes the samples of each direction that a `TranslationModel` has.

    Where its `kind` is "labels" they are made of label images [N, H, W, 3] in place of numbers.
    """
    made = painter_of if model.kind == "labels" else sampler_of
    return {INTO[domain]: made(network) for domain, network in model.samplers.items()}


def painter_of(sampler) -> Sampler:
    """Wraps what paints label images in model range for the images in unit range."""
    made = tf.function(functools.partial(sampled, sampler), autograph=False)
    return in_parts(made, tf.float32)
