"""Batches: what training draws without end, and what a network is given in order.

Order and augmentation are functions of (seed, step), so no epoch repeats another and a run can
continue at any step.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcyclegan.data import intensity
from tfcyclegan.data.augment import Augmentation, augment
from tfcyclegan.data.slices import Slices, as_it_is

BATCH = 8


def in_batches(function: Callable[[tf.Tensor], tf.Tensor], images: np.ndarray) -> np.ndarray:
    """Returns what a function makes of images float32 [N, H, W, 1], a batch at a time.

    The last batch is filled up and cut again, so that one shape is traced.

    Args:
        function: From [BATCH, H, W, 1] to [BATCH, ...].
        images: At least one.
    """
    missing = -len(images) % BATCH
    filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    parts = [
        np.asarray(function(tf.constant(part))) for part in np.split(filled, len(filled) // BATCH)
    ]
    return np.concatenate(parts)[: len(images)]


ORDER_A, ORDER_B, LOOK_A, LOOK_B = range(4)
"""What a random draw is for; each has its own stream."""


def training_batches(
    slices_a: Slices,
    slices_b: Slices,
    *,
    batch_size: int,
    first_step: int,
    seed: int,
    augmentation: Augmentation,
    match_slice_position: float = 0.0,
    positions: bool = False,
    images_per_example: int = 1,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns an endless dataset of unpaired, augmented batches.

    Each domain goes through its own permutation, a new one each pass. Example n of the run depends
    on (seed, n) alone, so the number of threads changes nothing and `first_step` continues a run.

    Args:
        slices_a: Slices of domain a.
        slices_b: Slices of domain b.
        batch_size: Global batch size.
        first_step: Step whose batch comes first.
        seed: Seed of order and augmentation.
        augmentation: What is done to each slice.
        match_slice_position: b is drawn among slices whose relative position in the head is within
            this distance of a's (the nearest where there is none); 0 draws it anywhere.
        positions: Whether a batch also tells where its slices are in the head.
        images_per_example: Slices of each domain that make one example, one after the other.
        context: The worker that asks; of w workers, worker i gets the examples n with n mod w = i,
            so that the shares of all workers together are the global batch. None for the only one.

    Returns:
        Dataset of (a, b), float32 [N, S, S, 1], model range, with
        N = images_per_example * batch_size / replicas; with `positions` of
        (a, b, position of a, position of b), the last two float32 [N], from 0 to 1.
    """
    images_a, images_b = tf.constant(slices_a.images), tf.constant(slices_b.images)
    context = context or tf.distribute.InputContext()
    numbers = numbers_of(first_step * batch_size, images_per_example, context)
    match = _PositionMatch(slices_a, slices_b, match_slice_position)
    domains = (slices_a, slices_b) if positions else ()
    places = [tf.constant(s.metadata["geom/slice_frac"], tf.float32) for s in domains]

    @as_it_is
    def example(n: tf.Tensor) -> tuple[tf.Tensor, ...]:
        index_a = shuffled(n, len(slices_a), seed, ORDER_A)
        if match_slice_position:
            index_b = match(index_a, seed_of(seed, ORDER_B, n))
        else:
            index_b = shuffled(n, len(slices_b), seed, ORDER_B)
        looks = (
            look(images_a[index_a], seed_of(seed, LOOK_A, n), augmentation),
            look(images_b[index_b], seed_of(seed, LOOK_B, n), augmentation),
        )
        return (*looks, places[0][index_a], places[1][index_b]) if positions else looks

    examples = numbers.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    per_replica = context.get_per_replica_batch_size(batch_size) * images_per_example
    return examples.batch(per_replica, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def numbers_of(
    first: int, images_per_example: int, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    """Returns the numbers of a worker's slices, from those of example `first` on."""
    numbers = tf.data.Dataset.range(first, np.iinfo(np.int64).max)
    numbers = numbers.shard(context.num_input_pipelines, context.input_pipeline_id)
    if images_per_example == 1:
        return numbers
    numbers = numbers.flat_map(
        lambda n: tf.data.Dataset.range(n * images_per_example, (n + 1) * images_per_example)
    )
    # flat_map forgets that there is no end. Several workers would then get batches whose size is
    # unknown when the step is traced, in case one of them runs out of data.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return numbers.apply(endless)


def seed_of(seed: int, stream: int, n: tf.Tensor) -> tf.Tensor:
    """Returns an int64 [2] seed that differs for each (seed, stream, n)."""
    return tf.random.fold_in(tf.constant([seed, stream], tf.int64), n)


def shuffled(n: tf.Tensor, size: int, seed: int, stream: int) -> tf.Tensor:
    """Returns the index that pass n // size visits at its position n % size."""
    key = seed_of(seed, stream, n // size)
    return tf.random.experimental.index_shuffle(tf.cast(n % size, tf.int64), key, size - 1)


def look(stored: tf.Tensor, seed: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    """Returns an augmented slice [S, S, 1], model range, of uint16 [S, S]."""
    unit = intensity.stored_to_unit(tf.cast(stored, tf.float32))[..., tf.newaxis]
    return intensity.unit_to_model(augment(unit, seed, augmentation))


class _PositionMatch:
    """Draws a slice of b whose relative position in the head is near that of a slice of a."""

    def __init__(self, slices_a: Slices, slices_b: Slices, tolerance: float):
        positions_a = slices_a.metadata["geom/slice_frac"]
        positions_b = slices_b.metadata["geom/slice_frac"]
        order = np.argsort(positions_b, kind="stable")
        ordered = positions_b[order]
        first = np.searchsorted(ordered, positions_a - tolerance, side="left")
        last = np.searchsorted(ordered, positions_a + tolerance, side="right")
        nearest = np.argmin(np.abs(ordered[np.newaxis] - positions_a[:, np.newaxis]), axis=1)
        empty = first == last
        self._order = tf.constant(order, tf.int32)
        self._first = tf.constant(np.where(empty, nearest, first), tf.int32)
        self._count = tf.constant(np.where(empty, 1, last - first), tf.int32)

    def __call__(self, index_a: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        draw = tf.random.stateless_uniform([], seed)
        offset = tf.cast(draw * tf.cast(self._count[index_a], tf.float32), tf.int32)
        return self._order[self._first[index_a] + offset]
