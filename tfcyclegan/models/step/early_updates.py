"""Updates of a step that come before its last one."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfcyclegan.models.step.gradients import over_parts, summed
from tfcyclegan.models.step.nonfinite import may_change
from tfcyclegan.models.step.replicas import update_if


def update_early(
    taught: Callable,
    batch: tuple,
    *,
    parts: int,
    variables: list,
    optimizer: keras.Optimizer,
    before: tf.Tensor | bool,
) -> tf.Tensor:
    """Makes one update, unless it or one before it in the step is not finite.

    Args:
        taught: From the tensors of `batch` to a dict with "loss" and the gradients of `variables`.
        batch: As of `over_parts`.
        parts: As of `over_parts`.
        variables: What is updated.
        optimizer: What updates it.
        before: Whether the updates before this one were good.

    Returns:
        Whether this one and those before it were good, a bool scalar.
    """
    values, descent = over_parts(taught, batch, parts=parts, variables=variables, names=("loss",))
    descent, norm = summed(descent, optimizer)
    good = tf.logical_and(before, may_change([values["loss"]], (optimizer, norm)))
    update_if(good, lambda d: optimizer.apply(d, variables), (descent,))
    return good
