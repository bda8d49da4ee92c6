"""What the workers of a run tell each other between steps; all of them call, in the same order."""

import functools
import hashlib
import json
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcyclegan.errors import UserError
from tfcyclegan.models.step.replicas import on_workers
from tfcyclegan.training.distribution.strategies import is_chief


def check_agreement(strategy: tf.distribute.Strategy, facts: dict[str, str]) -> None:
    """Waits for all workers, and raises UserError on each unless all hold the same facts.

    Args:
        strategy: Strategy of the run; without workers there is nothing to agree on.
        facts: What it is called, and its value.
    """
    if not on_workers(strategy):
        return
    digests = [hashlib.sha256(value.encode()).digest()[:7] for value in facts.values()]
    row = [int.from_bytes(digest, "big") for digest in digests]
    rows = _gather(strategy)(tf.constant([row], tf.int64)).numpy()
    differing = [name for name, held in zip(facts, rows.T, strict=True) if np.ptp(held)]
    if differing:
        raise UserError(
            f"Workers of one run must agree, and differ in: {', '.join(differing)}. Start every"
            " worker with the same flags, and with a --data_dir and a --workdir that all of them"
            " share."
        )


def from_chief(strategy: tf.distribute.Strategy, value):
    """Returns the chief's `value` on every worker; all of them call it.

    Args:
        strategy: Strategy of the run; without workers there is nothing to send.
        value: What JSON can hold, NaN included; that of the other workers does not count.
    """
    if not on_workers(strategy):
        return value
    text = json.dumps(value).encode() if is_chief(strategy) else b""

    def share(context: tf.distribute.ReplicaContext) -> tf.Tensor:
        first = context.replica_id_in_sync_group == 0
        return tf.constant(list(text) if first else [], tf.int64)

    shares = strategy.experimental_distribute_values_from_function(share)
    return json.loads(bytes(_gather(strategy)(shares).numpy().tolist()))


def from_all_replicas(
    strategy: tf.distribute.Strategy, arrays: list[np.ndarray]
) -> list[np.ndarray]:
    """Returns each array as [replicas of all workers, ...] on every worker; all of them call it.

    Args:
        strategy: Strategy of the run; without workers all replicas are here already.
        arrays: Each [replicas of this worker, ...]; on all workers of the same shapes and dtypes.
    """
    if not on_workers(strategy):
        return arrays
    fields = [(str(place), x.dtype, x.shape[1:]) for place, x in enumerate(arrays)]
    rows = np.zeros(len(arrays[0]), fields)
    for name, array in zip(rows.dtype.names, arrays, strict=True):
        rows[name] = array

    def share(context: tf.distribute.ReplicaContext) -> tf.Tensor:
        replica = context.replica_id_in_sync_group
        row = rows[replica % len(rows)].tobytes()
        # Collectives carry few types, so everything goes as int64.
        words = np.frombuffer(row + bytes(-len(row) % 8), np.int64)
        return tf.constant(np.concatenate([[replica], words])[np.newaxis])

    shares = strategy.experimental_distribute_values_from_function(share)
    received = _gather(strategy)(shares).numpy()
    in_order = received[np.argsort(received[:, 0]), 1:]
    every = np.concatenate([np.frombuffer(row.tobytes(), rows.dtype, 1) for row in in_order])
    return [every[name] for name in rows.dtype.names]


@functools.cache
def _gather(strategy: tf.distribute.Strategy) -> Callable:
    """Compiled once: TensorFlow warns of every further gather that it has to trace."""
    return tf.function(
        lambda shares: strategy.gather(shares, axis=0), autograph=False, reduce_retracing=True
    )
