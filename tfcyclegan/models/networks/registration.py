"""A network that registers two images, and the warp by what it says.

After Reg-GAN of Kong et al. (2021), https://arxiv.org/abs/2110.06465.
"""

import keras
import tensorflow as tf

from tfcyclegan.models.networks.initializers import LEAK, Weights, full_precision
from tfcyclegan.models.networks.layers import InstanceNormalization

BLOCKS = 3
"""Residual blocks at the bottom."""
NO_MOVE = 1e-5
"""Standard deviation of the last layer's weights: what is not learnt yet moves nothing."""


def build_registration(
    *, filters: int, size: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the registration network of Reg-GAN, a residual U-Net.

    Levels of a convolution and a residual block, `filters` and then twice as many, halved in
    between until two pixels are left: seven for 256 px. Three residual blocks of four times as
    many at the bottom, and back by bilinear resizing with skip connections.

    Args:
        filters: Of the first level, 32 in the paper's code.
        size: Height and width of the images, a power of 2.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: Of the model.

    Returns:
        A model from (made, target), [N, size, size, 2] in model range, to float32 displacements in
        pixels, [N, size, size, 2], rows first.
    """
    levels = size.bit_length() - 2
    if size != 2 ** (levels + 1) or levels < 2:
        raise ValueError(f"size: expected a power of 2 of at least 8. Received: {size}.")
    weights = Weights(initializer, seed)
    widths = [filters, *[2 * filters] * (levels - 1)]
    inputs = keras.Input((size, size, 2), name="images")
    x, skips = inputs, []
    for width in widths:
        x = _residual(_activated(_convolution(width, weights)(x)), weights)
        skips.append(x)
        x = keras.layers.MaxPooling2D(2)(x)
    x = _activated(_convolution(4 * filters, weights, kernel=1)(x))
    for _ in range(BLOCKS):
        x = _residual(x, weights)
    x = _activated(_convolution(2 * filters, weights, kernel=1)(x))
    for width, skip in zip([*widths[2:], 2 * filters, filters], skips[::-1], strict=True):
        x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = keras.layers.Concatenate()([x, skip])
        x = _activated(_convolution(width, weights)(x))
    x = _activated(_convolution(filters, weights, kernel=1)(_residual(x, weights)))
    near_zero = keras.initializers.RandomNormal(stddev=NO_MOVE, seed=seed + 500)
    x = keras.layers.Conv2D(
        2, 3, padding="same", kernel_initializer=near_zero, dtype=full_precision()
    )(x)
    return keras.Model(inputs, x, name=name)


def _convolution(width: int, weights: Weights, kernel: int = 3) -> keras.layers.Layer:
    return keras.layers.Conv2D(width, kernel, padding="same", kernel_initializer=weights())


def _activated(x):
    return keras.layers.LeakyReLU(LEAK)(x)


def _residual(x, weights: Weights):
    width = x.shape[-1]
    y = InstanceNormalization()(_convolution(width, weights)(x))
    y = InstanceNormalization()(_convolution(width, weights)(_activated(y)))
    return keras.layers.Add()([x, y])


def warped(images: tf.Tensor, displacement: tf.Tensor) -> tf.Tensor:
    """Returns images whose pixel at p is what was at p + u(p), bilinearly, the border going on.

    Args:
        images: [N, H, W, 1].
        displacement: u in pixels, [N, H, W, 2], rows first.
    """
    count, height, width = images.shape[0], images.shape[1], images.shape[2]
    row = tf.range(height, dtype=images.dtype)[:, tf.newaxis] + displacement[..., 0]
    column = tf.range(width, dtype=images.dtype) + displacement[..., 1]
    row = tf.clip_by_value(row, 0.0, height - 1.0)
    column = tf.clip_by_value(column, 0.0, width - 1.0)
    top = tf.minimum(tf.floor(row), height - 2.0)
    left = tf.minimum(tf.floor(column), width - 2.0)
    down, right = (row - top)[..., tf.newaxis], (column - left)[..., tf.newaxis]
    # A displacement that is not a number has no place, and makes pixels that are no numbers either.
    last = height * width - width - 2
    start = tf.clip_by_value(tf.cast(top * width + left, tf.int32), 0, last)
    flat = tf.reshape(images, [count, height * width, 1])

    def at(offset: int) -> tf.Tensor:
        return tf.gather(flat, start + offset, axis=1, batch_dims=1)

    upper = (1.0 - right) * at(0) + right * at(1)
    lower = (1.0 - right) * at(width) + right * at(width + 1)
    return (1.0 - down) * upper + down * lower


def at_size(displacement: tf.Tensor, size: int) -> tf.Tensor:
    """Returns displacements of a smaller image as those of one of `size` pixels a side."""
    factor = size // displacement.shape[1]
    if factor == 1:
        return displacement
    return tf.image.resize(displacement, (size, size)) * float(factor)
