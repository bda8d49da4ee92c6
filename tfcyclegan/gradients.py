"""Gradients of a batch in parts, and their clipping over all replicas.

Keras' optimizers offer both, but not for this use (Keras 3.15, tests/test_gradients.py): their
`global_clipnorm` clips each replica's share before the sum, so two replicas clip otherwise than
one; their `gradient_accumulation_steps` fails under MirroredStrategy, counts parts where schedules
should count updates, and has a state that a checkpoint within an update would have to hold.
"""

from collections.abc import Callable

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
        batch: Tensors [N, ...] with static N, a multiple of `parts`.
        parts: Number of parts; 1 calls `compute` once.
        variables: What the gradients are of.
        names: Keys of the values.

    Returns:
        The values [N, ...], of the batch's dtype, and the gradients.
    """
    if parts == 1:
        return compute(*batch)
    size = batch[0].shape[0]
    stacked = [tf.reshape(x, [parts, size // parts, *x.shape[1:]]) for x in batch]
    arrays = {name: tf.TensorArray(batch[0].dtype, size=parts) for name in names}

    def add_part(i, arrays, sums):
        values, gradients = compute(*(x[i] for x in stacked))
        arrays = {name: arrays[name].write(i, values[name]) for name in names}
        return i + 1, arrays, [s + g for s, g in zip(sums, gradients, strict=True)]

    zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
    _, arrays, sums = tf.while_loop(
        lambda i, *_: i < parts, add_part, (0, arrays, zeros), parallel_iterations=1
    )
    values = {name: tf.concat(tf.unstack(a.stack(), parts), 0) for name, a in arrays.items()}
    return values, [gradient / parts for gradient in sums]


def clip_by_global_norm(gradients: list[tf.Tensor], limit: float | tf.Tensor) -> list[tf.Tensor]:
    """Scales gradients so that the norm of all together, summed over replicas, is at most `limit`.

    Pascanu et al. (2013), https://arxiv.org/abs/1211.5063, algorithm 1.

    Args:
        gradients: This replica's share of the gradient of each variable.
        limit: Largest Euclidean norm.

    Returns:
        Shares whose sum over the replicas is the clipped gradient; all NaN where the norm is not
        finite, on every replica alike.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    clipped, _ = tf.clip_by_global_norm(gradients, tf.cast(limit, gradients[0].dtype))
    return [gradient / replicas for gradient in clipped]
