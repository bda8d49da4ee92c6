"""Losses that compare two images by what a network makes of them, float32 [N].

Every function takes lists of maps [N, h, w, d], one for each layer, of the real and of the made
image; h, w and d differ from layer to layer.
"""

from collections.abc import Sequence

import tensorflow as tf

Maps = Sequence[tf.Tensor]


def feature_difference(real: Maps, made: Maps, weights: Sequence[float]) -> tf.Tensor:
    """Returns the weighted sum over the layers of the mean absolute difference, [N].

    Equation 4 of Wang et al. (2018), doi:10.1109/TIP.2018.2836316.
    """
    return tf.add_n([w * _mean(tf.abs(r - m)) for r, m, w in _layers(real, made, weights)])


def style_difference(real: Maps, made: Maps) -> tf.Tensor:
    """Returns the sum over the layers of how far two textures are apart, [N].

    The squared Frobenius norm of the difference of two `gram` matrices, divided by 4 d^2
    (Armanious et al. 2020, doi:10.1016/j.compmedimag.2019.101684, after Gatys et al. 2016,
    doi:10.1109/CVPR.2016.265). Moving the pixels of an image about leaves it as it is.
    """
    terms = []
    for r, m, _ in _layers(real, made):
        scale = 4.0 * r.shape[-1] ** 2
        terms.append(tf.reduce_sum(tf.square(gram(r) - gram(m)), axis=(1, 2)) / scale)
    return tf.add_n(terms)


def content_difference(real: Maps, made: Maps) -> tf.Tensor:
    """Returns the sum over the layers of the mean squared difference, [N].

    Armanious et al. (2020), as of `style_difference`.
    """
    return tf.add_n([_mean(tf.square(r - m)) for r, m, _ in _layers(real, made)])


def gram(maps: tf.Tensor) -> tf.Tensor:
    """Returns the products of all pairs of channels, [N, d, d]: their sum over h w d."""
    count, height, width, depth = maps.shape
    pixels = tf.reshape(tf.cast(maps, tf.float32), [count, height * width, depth])
    return tf.matmul(pixels, pixels, transpose_a=True) / (height * width * depth)


def margin_left(difference: tf.Tensor, margin: float) -> tf.Tensor:
    """Returns how much a difference [N] is short of a margin; 0 and no slope above it.

    What the discriminator of PAN is asked for: to see a difference of at least that much (Wang et
    al. 2018, doi:10.1109/TIP.2018.2836316, equation 6).
    """
    return tf.nn.relu(margin - difference)


def _layers(real: Maps, made: Maps, weights: Sequence[float] | None = None):
    pairs = [
        (tf.cast(r, tf.float32), tf.cast(m, tf.float32)) for r, m in zip(real, made, strict=True)
    ]
    return [(*pair, w) for pair, w in zip(pairs, weights or [1.0] * len(pairs), strict=True)]


def _mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=(1, 2, 3))
