"""One pass of fixed rows through all replicas of a strategy, and back in their order."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcyclegan.training.distribution.collectives import from_all_replicas

BATCH = 8
"""Rows that a replica takes at once, always: another shape may round otherwise."""

PADDING = -1
"""Id of a row that only fills a batch up."""

Rows = dict[str, np.ndarray]


class Sweep:
    """Applies a compiled function to rows, shared out among the replicas of all workers.

    Every row has its number as id. Batches are filled up with padding, so that every replica has as
    many, of one shape, be there one row or none left for it; ids tell padding from rows, and that
    each row came back once. So the result does not depend on the number of replicas.

    Args:
        strategy: Strategy of the run; every worker makes and calls its own Sweep.
        function: From a batch of rows to float32 [BATCH, K]; called in a replica context.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        function: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    ):
        self.strategy = strategy

        # There is no Python control flow to convert, and converting takes most of the first call.
        @tf.autograph.experimental.do_not_convert
        def on_replica(ids: tf.Tensor, rows: dict) -> tuple[tf.Tensor, tf.Tensor]:
            return ids, function(rows)

        @tf.function(autograph=False)
        def step(batch: tuple) -> tuple[tf.Tensor, tf.Tensor]:
            return strategy.run(on_replica, args=batch)

        self._step = step

    def __call__(self, rows: Rows) -> np.ndarray:
        """Returns float32 [N, K] in the order of the rows, on every worker.

        Args:
            rows: Arrays by name, each [N, ...] with N > 0.
        """
        count = len(next(iter(rows.values())))
        replicas = self.strategy.num_replicas_in_sync
        steps = -(-count // (BATCH * replicas))
        padding = steps * BATCH * replicas - count
        batches = iter(
            self.strategy.distribute_datasets_from_function(
                lambda context: _batches(rows, count, padding, context)
            )
        )
        steps_of_replicas = [self._step(next(batches)) for _ in range(steps)]
        ids, values = gathered(self.strategy, steps_of_replicas)
        return in_order(ids, values, count)


def _batches(
    rows: Rows, count: int, padding: int, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    """Returns the worker's (ids [BATCH], batch of rows): every so manieth of all batches."""
    ids = np.concatenate([np.arange(count), np.full(padding, PADDING)])
    every = {name: tf.constant(array) for name, array in rows.items()}

    def row(place: tf.Tensor) -> tuple[tf.Tensor, dict]:
        at = tf.maximum(place, 0)  # padding repeats the first row, which is sure to be well formed
        return place, {name: array[at] for name, array in every.items()}

    dataset = tf.data.Dataset.from_tensor_slices(ids.astype(np.int64)).map(row)
    dataset = dataset.batch(BATCH, drop_remainder=True)
    return dataset.shard(context.num_input_pipelines, context.input_pipeline_id).prefetch(1)


def gathered(strategy: tf.distribute.Strategy, steps: list[tuple]) -> list[np.ndarray]:
    """Returns what all replicas of all workers made in all steps, replica by replica.

    Args:
        strategy: Strategy that made them.
        steps: One tuple of per-replica tensors [n, ...] for each step.

    Returns:
        One array [replicas * steps * n, ...] for each place in the tuples.
    """
    arrays = []
    for tensors in zip(*steps, strict=True):
        local = zip(*(strategy.experimental_local_results(step) for step in tensors), strict=True)
        arrays.append(np.stack([np.concatenate([np.asarray(x) for x in parts]) for parts in local]))
    return [np.concatenate(array) for array in from_all_replicas(strategy, arrays)]


def in_order(ids: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Returns `values` [M, ...] without padding, in the order of their ids 0 to count - 1.

    Raises:
        RuntimeError: An id is missing or came twice.
    """
    rows = np.flatnonzero(ids != PADDING)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    if not np.array_equal(ids[rows], np.arange(count)):
        raise RuntimeError(
            f"Replicas expected to return each of {count} slices once. Received: {len(rows)} rows,"
            f" {len(np.unique(ids[rows]))} different ones."
        )
    return values[rows]
