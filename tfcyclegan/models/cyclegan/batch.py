"""What a train step of a CycleGAN is given."""

from typing import NamedTuple

import tensorflow as tf


class Batch(NamedTuple):
    """Unpaired slices of both domains, and perhaps pairs beside them.

    Attributes:
        real_a, real_b: float32 [N, H, W, 1], model range.
        place_a, place_b: Relative position of each slice in its head, [N], 0 to 1; None where the
            discriminators are not shown it.
        pair_a, pair_b: Slices that show one place of one head, [P N, H, W, 1], P pairs for each
            example, one after the other; None where a run has no pairs.
    """

    real_a: tf.Tensor
    real_b: tf.Tensor
    place_a: tf.Tensor | None = None
    place_b: tf.Tensor | None = None
    pair_a: tf.Tensor | None = None
    pair_b: tf.Tensor | None = None
