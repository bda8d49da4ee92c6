"""Losses of a translation that moves anatomy, blind to what translation may change: contrast.

A loss takes two batches float32 [N, H, W, 1] of any unit and returns float32 [N], 0 or more,
smaller where the structures of the images lie upon each other. It is symmetric.

Reference:
    Haber and Modersitzki (2006), Intensity gradient based registration and fusion of multi-modal
    images, https://doi.org/10.1007/11866763_89.
"""

import tensorflow as tf

STRUCTURE = ("ngf",)

NGF_EDGE = 1.0
"""Gradients count as edges from this multiple of the image's mean gradient on."""

TINY = 1e-6
"""Keeps blank images from dividing by zero; far below a grey level of 16 bit in model range."""


def structure_loss(x: tf.Tensor, y: tf.Tensor, *, kind: str) -> tf.Tensor:
    """Returns the loss that `kind`, "ngf", names."""
    if kind == "ngf":
        return ngf_loss(x, y)
    raise ValueError(f"Structure loss: expected one of {STRUCTURE}. Received: {kind!r}.")


def ngf_loss(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns the mean of 1 - <n(x), n(y)>^2 over the pixels, between 0 and 1.

    n(x) = grad x / sqrt(|grad x|^2 + e^2) is the normalised gradient field (section 2.2), and e the
    mean of |grad x| (their automatic choice), so neither gain, nor offset, nor the sign of contrast
    counts. H and W at least 2.
    """
    (x_down, x_right), (y_down, y_right) = _gradients(x), _gradients(y)
    x_square, y_square = x_down**2 + x_right**2, y_down**2 + y_right**2
    product = (x_down * y_down + x_right * y_right) ** 2
    alike = product / ((x_square + _edge_square(x_square)) * (y_square + _edge_square(y_square)))
    return tf.reduce_mean(1.0 - alike, axis=(1, 2, 3))


def _gradients(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Forward differences, which unlike central ones see a checkerboard, [N, H - 1, W - 1, 1]."""
    corner = images[:, :-1, :-1]
    return images[:, 1:, :-1] - corner, images[:, :-1, 1:] - corner


def _edge_square(square: tf.Tensor) -> tf.Tensor:
    length = tf.sqrt(square + TINY**2)  # the derivative of a root of 0 is infinite
    return (NGF_EDGE * tf.reduce_mean(length, axis=(1, 2, 3), keepdims=True)) ** 2
