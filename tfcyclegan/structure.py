"""Losses of a translation that moves anatomy, blind to what translation may change: contrast.

Every loss takes two batches float32 [N, H, W, 1] of any unit and returns float32 [N], 0 or more,
smaller where the structures of the images lie upon each other. Both are symmetric.

References:
    Haber and Modersitzki (2006), Intensity gradient based registration and fusion of multi-modal
    images, https://doi.org/10.1007/11866763_89.
    Heinrich et al. (2012), MIND, https://doi.org/10.1016/j.media.2012.05.008.
"""

import tensorflow as tf

STRUCTURE = ("ngf", "mind")

NGF_EDGE = 1.0
"""Gradients count as edges from this multiple of the image's mean gradient on."""

MIND_PATCH = 3
"""Height and width of the patches that MIND compares, in pixels."""

MIND_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""The search region: the four neighbours, in 2D the six of section 3.3."""

MIND_VARIANCE = 1e-2
"""Smallest variance estimate as a share of the image's mean; keeps noiseless background quiet."""

TINY = 1e-6
"""Keeps blank images from dividing by zero; far below a grey level of 16 bit in model range."""


def structure_loss(x: tf.Tensor, y: tf.Tensor, *, kind: str) -> tf.Tensor:
    """Returns the loss that `kind`, "ngf" or "mind", names."""
    if kind == "ngf":
        return ngf_loss(x, y)
    if kind == "mind":
        return mind_loss(x, y)
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


def mind_loss(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference of both images' descriptors, between 0 and 1.

    The mean over pixels and neighbours, as Heinrich et al. compare images. H and W at least 5.
    """
    return tf.reduce_mean(tf.abs(mind(x) - mind(y)), axis=(1, 2, 3))


def mind(images: tf.Tensor) -> tf.Tensor:
    """Returns the modality independent neighbourhood descriptor of each pixel.

    exp(-D(r) / V), scaled so that the largest is 1 (equation 4), where D(r) is the mean squared
    difference of the patches here and at the neighbour r, and V the mean of D over the neighbours
    (section 3.2).

    Args:
        images: [N, H, W, 1].

    Returns:
        [N, H - 4, W - 4, 4], range (0, 1]; the border, whose patches leave the image, is left out.
    """
    distances = tf.concat([_patch_distance(images, *r) for r in MIND_NEIGHBOURS], axis=-1)
    variance = tf.reduce_mean(distances, axis=-1, keepdims=True)
    variance += MIND_VARIANCE * tf.reduce_mean(variance, axis=(1, 2, 3), keepdims=True) + TINY**2
    nearest = tf.reduce_min(distances, axis=-1, keepdims=True)
    return tf.exp(-(distances - nearest) / variance)


def _patch_distance(images: tf.Tensor, down: int, right: int) -> tf.Tensor:
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    there = images[:, 1 + down : height - 1 + down, 1 + right : width - 1 + right]
    square = (there - images[:, 1:-1, 1:-1]) ** 2
    return tf.nn.avg_pool2d(square, MIND_PATCH, strides=1, padding="VALID")
