"""Gradients of a batch in parts, and their clipping over all replicas.

Keras' optimizers offer both, but not for this use (Keras 3.15, tests/test_gradients.py): their
`global_clipnorm` clips each replica's share before the sum, so two replicas clip otherwise than
one; their `gradient_accumulation_steps` fails under MirroredStrategy, counts parts where schedules
should count updates, and has a state that a checkpoint within an update would have to hold.
"""

from collections.abc import Callable

import tensorflow as tf


def mean_over_parts(compute: Callable, batch: tuple, parts: int, like) -> tuple:
    """Returns the mean of `compute` over equal parts of a batch, one after the other.

    Memory is that of one part. Because losses are means over examples, the mean of the parts'
    gradients is the gradient of the batch; state that `compute` changes sees the examples in order.

    Args:
        compute: Takes the tensors of a part, returns a structure of tensors.
        batch: Tensors [N, ...] with static N, a multiple of `parts`.
        parts: Number of parts; 1 calls `compute` once.
        like: What `compute` returns for a part, with zeros of its shapes and dtypes.
    """
    if parts == 1:
        return compute(*batch)
    stacked = [tf.reshape(x, [parts, x.shape[0] // parts, *x.shape[1:]]) for x in batch]

    def add_part(i, total):
        made = compute(*(x[i] for x in stacked))
        return i + 1, tf.nest.map_structure(tf.add, total, made)

    _, total = tf.while_loop(
        lambda i, _: i < parts, add_part, (0, like), parallel_iterations=1, maximum_iterations=parts
    )
    return tf.nest.map_structure(lambda x: x / parts, total)


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
