"""How training stands beyond its losses: who wins."""

import tensorflow as tf

DECISION = {"vanilla": 0.0, "lsgan": 0.5}
"""Score above which a patch counts as judged real: even odds, or nearer 1 than 0."""


def share_judged_right(scores: tf.Tensor, *, real: bool, kind: str) -> tf.Tensor:
    """Returns the share of each example's patches that a discriminator judges rightly.

    About one half on both sides is the equilibrium of Goodfellow et al. (2014), section 4.1; 1 on
    both means that the generators learn from a discriminator which is no longer fooled.

    Args:
        scores: Logits [N, h, w, 1].
        real: Whether the images are real.
        kind: The adversarial loss, "vanilla" or "lsgan".

    Returns:
        [N], dtype of `scores`, 0 to 1.
    """
    right = tf.equal(scores > DECISION[kind], real)
    return tf.reduce_mean(tf.cast(right, scores.dtype), axis=[1, 2, 3])
