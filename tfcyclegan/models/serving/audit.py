"""How far a translation can be trusted, in a graph: what does not come back, and what is undecided.

`translation.passes` computes the same of the same slices; tests compare the two.
"""

import tensorflow as tf

from tfcyclegan.data.intensity import FOREGROUND

RISK_SHARE = 0.99
"""The percentile that stands for a slice, as a share, so that a risk is about a spot."""


def doubt(source: tf.Tensor, made: tf.Tensor, there, residual: tf.Tensor) -> tf.Tensor:
    """Returns the risk map: the larger of the cycle residual and the disagreement under a flip.

    Args:
        source: float32 [N, H, W, 1], unit range.
        made: Its translation.
        there: Translator that made it; a mirrored head is as plausible as it was.
        residual: abs(back(made) - source).

    Returns:
        float32 [N, H, W, 1], unit range.
    """
    mirrored = tf.reverse(there(tf.reverse(source, [2])), [2])
    return tf.maximum(residual, tf.abs(mirrored - made))


def risk(risk_map: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
    """Returns the 99th percentile of a risk map inside the head; of the whole slice without one.

    Args:
        risk_map: float32 [N, H, W, 1], unit range.
        source: float32 [N, H, W, 1], unit range.

    Returns:
        float32 [N], unit range.
    """
    inside = head(source)
    inside |= ~tf.reduce_any(inside, axis=[1, 2, 3], keepdims=True)

    def one(pair: tuple) -> tf.Tensor:
        return upper_quantile(tf.boolean_mask(*pair), RISK_SHARE)

    return tf.map_fn(one, (risk_map, inside), fn_output_signature=tf.float32)


def head(image: tf.Tensor) -> tf.Tensor:
    """Returns `data.head.head(image, FOREGROUND)` in a graph: bool [N, H, W, 1] of [N, H, W, 1].

    What is not brighter than the limit and is joined to the frame is outside.
    """
    mean = tf.reduce_mean(image, axis=[1, 2, 3], keepdims=True)
    bright = tf.cast(image > tf.maximum(mean, FOREGROUND), tf.float32)
    # Straight ways to the frame first, which leaves few steps around corners.
    ways = [tf.cumsum(bright, axis, reverse=back) for axis in (1, 2) for back in (False, True)]
    outside = tf.cast(tf.reduce_min(tf.stack(ways), axis=0) == 0, tf.float32)

    def grown(reached: tf.Tensor, before: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        del before
        across = tf.nn.max_pool2d(reached, (1, 3), 1, "SAME")
        up = tf.nn.max_pool2d(reached, (3, 1), 1, "SAME")
        return (1.0 - bright) * tf.maximum(across, up), reached

    def spreads(reached: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(reached != before)

    outside, _ = tf.while_loop(spreads, grown, grown(outside, outside))
    return outside == 0


def upper_quantile(values: tf.Tensor, share: float) -> tf.Tensor:
    """Returns a quantile as `np.quantile` does; the nearer to 1 its share is, the faster.

    Args:
        values: float32 [n], n at least 1.
        share: 0 to 1.

    Returns:
        float32 scalar.
    """
    last = tf.size(values) - 1
    rank = tf.cast(last, tf.float64) * share
    below = tf.cast(tf.floor(rank), tf.int32)
    largest = tf.cast(tf.math.top_k(values, last - below + 1).values, tf.float64)
    lower, upper = largest[-1], largest[tf.maximum(tf.size(largest) - 2, 0)]
    return tf.cast(lower + (upper - lower) * (rank - tf.floor(rank)), tf.float32)
