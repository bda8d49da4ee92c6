"""The patchwise contrastive loss of CUT (Park et al. 2020, https://arxiv.org/abs/2007.15651)."""

import tensorflow as tf

TEMPERATURE = 0.07
FILLED = -10.0
"""What the authors' code fills the diagonal with, one more negative for each patch."""


def patch_nce(queries: tf.Tensor, keys: tf.Tensor, temperature: float = TEMPERATURE) -> tf.Tensor:
    """Returns how badly each patch finds its own source among the others of its image, [N].

    Equation 3 of the paper as its code computes it: cross-entropy of a patch's similarity to its
    own key, and to those of the other patches of the same image, divided by the temperature. The
    code fills a diagonal with -10, which stays in the sum as one more similarity and is nothing at
    the temperature of the paper.

    Args:
        queries: Features of patches of the translation, [N, P, C], of length 1.
        keys: Of the same places of the source; no gradient goes through them.
        temperature: tau.
    """
    keys = tf.stop_gradient(keys)
    similar = tf.matmul(queries, keys, transpose_b=True)
    own = tf.linalg.diag_part(similar) / temperature
    filled = tf.fill(tf.shape(similar[..., :1]), tf.cast(FILLED, similar.dtype))
    logits = tf.concat([similar, filled], -1) / temperature
    return tf.reduce_mean(tf.reduce_logsumexp(logits, -1) - own, -1)
