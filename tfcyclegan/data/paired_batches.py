"""Batches of pairs: slices of both domains that show one place of one head, looked at alike."""

import tensorflow as tf

from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import look, numbers_of, seed_of, shuffled
from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import as_it_is

ORDER, LOOK = 4, 5
"""Random streams beside those of `batches`, so that pairs change nothing that is drawn there."""


def paired_batches(
    pairs: Pairs,
    *,
    batch_size: int,
    first_step: int,
    seed: int,
    augmentation: Augmentation,
    pairs_per_example: int = 1,
    positions: bool = False,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns an endless dataset of augmented pairs.

    Pairs come in a permutation, a new one each pass. Both slices of a pair have one seed, and so
    one flip, rotation, crop, gain and contrast: no network could tell from the source what was
    drawn for the target alone.

    Args:
        pairs: At least one.
        batch_size: Global batch size.
        first_step: Step whose batch comes first.
        seed: Seed of order and augmentation.
        augmentation: What is done to each slice.
        pairs_per_example: Pairs that make one example, one after the other.
        positions: Whether a batch also tells where its slices are in the head.
        context: The worker that asks, as of `batches.training_batches`.

    Returns:
        Dataset of (a, b), float32 [N, S, S, 1], model range, with
        N = pairs_per_example * batch_size / replicas; with `positions` of
        (a, b, position of a, position of b), the last two float32 [N], from 0 to 1.
    """
    images_a, images_b = tf.constant(pairs.a.images), tf.constant(pairs.b.images)
    context = context or tf.distribute.InputContext()
    sides = (pairs.a, pairs.b) if positions else ()
    places = [tf.constant(s.metadata["geom/slice_frac"], tf.float32) for s in sides]

    @as_it_is
    def example(n: tf.Tensor) -> tuple[tf.Tensor, ...]:
        index, drawn = shuffled(n, len(pairs), seed, ORDER), seed_of(seed, LOOK, n)
        looks = [look(images[index], drawn, augmentation) for images in (images_a, images_b)]
        return (*looks, *(place[index] for place in places))

    numbers = numbers_of(first_step * batch_size, pairs_per_example, context)
    examples = numbers.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    per_replica = context.get_per_replica_batch_size(batch_size) * pairs_per_example
    return examples.batch(per_replica, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
