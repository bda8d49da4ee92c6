"""Batches of pairs with their label images, and with the lesion of another patient."""

import numpy as np
import tensorflow as tf

from tfcyclegan.data.augment import Augmentation, augment_masks
from tfcyclegan.data.batches import look, numbers_of, seed_of, shuffled
from tfcyclegan.data.labels import Labels, channels
from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import as_it_is

ORDER, LOOK, DONOR = 6, 7, 8
"""Random streams beside those of `batches` and `paired_batches`."""


def labelled_batches(
    pairs: Pairs,
    labels: Labels,
    *,
    batch_size: int,
    first_step: int,
    seed: int,
    augmentation: Augmentation,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns an endless dataset of augmented pairs and their label images.

    Both slices and all masks of an example have one flip, rotation and crop. Example n depends on
    (seed, n) alone, as of `batches.training_batches`.

    Args:
        pairs: At least one.
        labels: Of `labels.of_pairs`.
        batch_size: Global batch size.
        first_step: Step whose batch comes first.
        seed: Seed of order, donors and augmentation.
        augmentation: What is done to each slice.
        context: The worker that asks.

    Returns:
        Dataset of (a, b, own, foreign) in model range: float32 [N, S, S, 1] twice, and label images
        of `labels.images`, [N, S, S, 3] twice, with N = batch_size / replicas. The foreign one has
        brain and ventricles of the own, and the lesion of another patient.
    """
    images_a, images_b = tf.constant(pairs.a.images), tf.constant(pairs.b.images)
    masks, donors = tf.constant(labels.masks), tf.constant(np.append(labels.donors, 0))
    first, count = tf.constant(labels.first), tf.constant(labels.count)
    context = context or tf.distribute.InputContext()

    @as_it_is
    def example(n: tf.Tensor) -> tuple[tf.Tensor, ...]:
        index, drawn = shuffled(n, len(pairs), seed, ORDER), seed_of(seed, LOOK, n)
        looks = [look(images[index], drawn, augmentation) for images in (images_a, images_b)]
        draw = tf.random.stateless_uniform([], seed_of(seed, DONOR, n), dtype=tf.float64)
        chosen = tf.cast(draw * tf.cast(count[index], tf.float64), tf.int64)
        donor = tf.where(count[index] > 0, donors[first[index] + chosen], index)
        lesion = masks[donor][..., :1] & masks[index][..., 1:2]
        turned = augment_masks(tf.concat([masks[index], lesion], -1), drawn, augmentation)
        own, brain, ventricle, foreign = tf.unstack(turned, axis=-1)
        return (*looks, *(_label(mask, brain, ventricle) for mask in (own, foreign)))

    examples = numbers_of(first_step * batch_size, 1, context).map(
        example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    per_replica = context.get_per_replica_batch_size(batch_size)
    return examples.batch(per_replica, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _label(lesion: tf.Tensor, brain: tf.Tensor, ventricle: tf.Tensor) -> tf.Tensor:
    """Returns what `labels.images` does of masks [S, S], inside the graph of a dataset."""
    inside = tf.stack(channels(lesion, brain, ventricle), -1)
    return 2.0 * tf.cast(inside, tf.float32) - 1.0
