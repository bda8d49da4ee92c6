"""Gradients of a batch in parts, and their sum and norm over all replicas.

Keras' optimizers offer parts, but not for this use (Keras 3.15, tests/models/test_gradients.py):
their `gradient_accumulation_steps` fails under MirroredStrategy, counts parts where schedules
should count updates, and has a state that a checkpoint within an update would have to hold.
"""

from collections.abc import Callable

import keras
import tensorflow as tf


def over_parts(
    compute: Callable, batch: tuple, *, parts: int, variables: list, names: tuple[str, ...]
) -> tuple[dict, list]:
    """Computes values and gradients over equal parts of a batch, one part after the other.

    Memory is that of one part. Because losses are means over examples, the mean of the parts'
    gradients is the gradient of the batch.

    Args:
        compute: From the tensors of a part, [n, ...], to a dict of values [n, ...] and the
            gradients of `variables`.
        batch: Tensors [N, ...] with static N, a multiple of `parts`, or None. Some may have a
            multiple of the N of the first.
        parts: Number of parts; 1 calls `compute` once.
        variables: What the gradients are of.
        names: Keys of the values.

    Returns:
        The values [N, ...], of the batch's dtype, and the gradients.
    """
    if parts == 1:
        return compute(*batch)
    stacked = [
        x if x is None else tf.reshape(x, [parts, x.shape[0] // parts, *x.shape[1:]]) for x in batch
    ]
    arrays = {name: tf.TensorArray(batch[0].dtype, size=parts) for name in names}

    def add_part(i, arrays, sums):
        values, gradients = compute(*(x if x is None else x[i] for x in stacked))
        arrays = {name: arrays[name].write(i, values[name]) for name in names}
        return i + 1, arrays, [s + g for s, g in zip(sums, gradients, strict=True)]

    zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
    _, arrays, sums = tf.while_loop(
        lambda i, *_: i < parts, add_part, (0, arrays, zeros), parallel_iterations=1
    )
    values = {name: tf.concat(tf.unstack(a.stack(), parts), 0) for name, a in arrays.items()}
    return values, [gradient / parts for gradient in sums]


def summed(
    gradients: list[tf.Tensor], optimizer: keras.Optimizer
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Sums gradients over the replicas, once, and tells their norm: the norm of a sum is no sum.

    Call it in the replica's context.

    Args:
        gradients: This replica's share of the gradient of each variable, of the scaled loss.
        optimizer: The optimizer whose `scale_loss` scaled the loss.

    Returns:
        The gradient of the global batch, still scaled, and its Euclidean norm, a scalar, without
        the scale; the same on every replica.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync > 1:
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    norm = tf.linalg.global_norm(gradients)
    return gradients, norm / tf.cast(optimizer.scale_loss(tf.ones([])), norm.dtype)


def replica_loss(values: tf.Tensor, optimizer: keras.Optimizer) -> tf.Tensor:
    """Returns the loss that this replica's gradient is of, a scalar.

    The only mean over a batch; `summed` adds over replicas, so their number divides.

    Args:
        values: Of each example of this replica's share, [N].
        optimizer: Its `scale_loss` scales the loss.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return optimizer.scale_loss(tf.reduce_mean(values) / replicas)
