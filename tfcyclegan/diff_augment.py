"""Differentiable augmentation of what discriminators see, real and fake alike.

A discriminator that learns a small set by heart is of no use to a generator. Where it sees both
sides augmented, in its own update and in the generator's, it cannot, and a generator does not learn
the augmentation, as it would where real images alone were augmented.

Reference:
    Zhao et al. (2020), Differentiable augmentation for data-efficient GAN training,
    https://arxiv.org/abs/2006.10738. Their saturation does nothing to one channel and is left out;
    what comes from outside the image is air here, -1, as theirs is black before normalisation.
"""

import math

import tensorflow as tf

KINDS = ("color", "translation", "cutout")
DRAWS = 6
"""Random numbers that an image takes: brightness, contrast, two shifts, two places of a cut."""
SHIFT, CUT = 0.125, 0.5
"""Largest shift, and side of the square that is cut out, as shares of the image's side."""
AIR = -1.0


def diff_augment(images: tf.Tensor, draws: tf.Tensor, kinds: tuple[str, ...]) -> tf.Tensor:
    """Augments images by the `kinds`, in the order of `KINDS`.

    Args:
        images: [N, H, W, 1] with static shape, model range.
        draws: [N, DRAWS], uniform from 0 to 1; what an image becomes is a function of its draws.
        kinds: Subset of `KINDS`.

    Returns:
        [N, H, W, 1], of the same dtype; "color" leaves the model range by 1 at most.
    """
    draws = tf.cast(draws, images.dtype)
    if "color" in kinds:
        images = _colored(images, draws[:, :2])
    if "translation" in kinds:
        images = _translated(images, draws[:, 2:4])
    if "cutout" in kinds:
        images = _cut(images, draws[:, 4:6])
    return images


def _colored(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Adds -1/2 to 1/2, then scales the contrast about the image's mean by 1/2 to 3/2."""
    offset, gain = tf.split(draws[:, tf.newaxis, tf.newaxis], 2, axis=-1)
    images = images + (offset - 0.5)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - mean) * (gain + 0.5) + mean


def _translated(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Shifts by whole pixels, at most `SHIFT` of the side and all alike likely."""
    height, width = images.shape[1:3]
    down, right = math.ceil(height * SHIFT), math.ceil(width * SHIFT)
    border = [[0, 0], [down, down], [right, right], [0, 0]]
    padded = tf.pad(images, border, constant_values=AIR)
    starts = tf.cast(draws * tf.constant([2 * down + 1, 2 * right + 1], draws.dtype), tf.int32)
    # A slice each, whose gradient is a padding: exact on every device, in every repetition.
    return tf.stack(
        [
            tf.slice(image, tf.concat([start, [0]], 0), (height, width, 1))
            for image, start in zip(tf.unstack(padded), tf.unstack(starts), strict=True)
        ]
    )


def _cut(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Turns a square to air; its centre is anywhere in the image, so a part may lie outside."""
    keep = tf.zeros(images.shape, tf.bool)
    for axis in (1, 2):
        size = images.shape[axis]
        side = int(size * CUT + 0.5)
        places = draws[:, axis - 1] * (size + 1 - side % 2)
        first = tf.cast(places, tf.int32)[:, tf.newaxis] - side // 2
        index = tf.range(size)[tf.newaxis]
        outside = tf.logical_or(index < first, index >= first + side)
        shape = (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1)
        keep = tf.logical_or(keep, tf.reshape(outside, shape))
    return tf.where(keep, images, tf.constant(AIR, images.dtype))
