"""The paper's augmentations: flips, rotation by 30/60/90 degrees, brightness; contrast, and a crop.

What an example looks like is a function of its seed alone: all randomness is stateless.
"""

import dataclasses
import math

import tensorflow as tf

CROP = 1
"""Random stream of the crop's place: of its own, so that a crop changes no other draw."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Strengths of the augmentations; the default changes nothing.

    Args:
        flips: Subset of ("horizontal", "vertical"), each applied with probability one half.
        rotations: Degrees; each example is rotated by one of them or not at all, all alike likely.
        brightness: The gain is drawn from [1 - brightness, 1 + brightness]. A gain, not an offset,
            so that the background stays black.
        contrast: Contrast about the mean of the foreground is drawn alike.
        enlarge_crop: Each slice is enlarged by this factor, and a window of its old size cut out
            anywhere; 0 or a number above 1.
    """

    flips: tuple[str, ...] = ()
    rotations: tuple[float, ...] = ()
    brightness: float = 0.0
    contrast: float = 0.0
    enlarge_crop: float = 0.0


def rotate(images: tf.Tensor, angle: float | tf.Tensor, *, fill_value: float = 0.0) -> tf.Tensor:
    """Rotates counter-clockwise about the centre, bilinear, as tensorflow-addons' `rotate`.

    Args:
        images: [N, H, W, C], float32.
        angle: Radians, scalar or [N].
        fill_value: Value of pixels that come from outside.

    Returns:
        Images of the same shape and dtype.
    """
    shape = tf.shape(images)
    angles = tf.broadcast_to(tf.cast(angle, tf.float32), shape[:1])
    height, width = tf.cast(shape[1] - 1, tf.float32), tf.cast(shape[2] - 1, tf.float32)
    cos, sin = tf.cos(angles), tf.sin(angles)
    zeros = tf.zeros_like(angles)
    # Output (x, y) is taken from input (cos x - sin y + dx, sin x + cos y + dy).
    offset_x = (width - (cos * width - sin * height)) / 2.0
    offset_y = (height - (sin * width + cos * height)) / 2.0
    transforms = tf.stack([cos, -sin, offset_x, sin, cos, offset_y, zeros, zeros], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=shape[1:3],
        fill_value=fill_value,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def augment(image: tf.Tensor, seed: tf.Tensor, settings: Augmentation) -> tf.Tensor:
    """Augments one slice.

    Args:
        image: [H, W, 1], unit range, float32; H = W unless no rotation of 90 degrees is asked for.
        seed: int64 [2]; the same seed gives the same result.
        settings: Which augmentations, and how strong.

    Returns:
        An image of the same shape and range.
    """
    draws = tf.random.stateless_uniform([5], seed)
    image = _turned(image, draws, seed, settings)
    if settings.brightness:
        image = tf.clip_by_value(image * _factor(draws[3], settings.brightness), 0.0, 1.0)
    if settings.contrast:
        image = _change_contrast(image, _factor(draws[4], settings.contrast))
    return image


def augment_masks(masks: tf.Tensor, seed: tf.Tensor, settings: Augmentation) -> tf.Tensor:
    """Turns and crops masks as `augment` does the slice with that seed.

    Args:
        masks: bool [H, W, C].
        seed: int64 [2].
        settings: Those of the slice.

    Returns:
        bool [H, W, C]; a pixel is inside where half of it is.
    """
    draws = tf.random.stateless_uniform([5], seed)
    return _turned(tf.cast(masks, tf.float32), draws, seed, settings) >= 0.5


def _turned(
    image: tf.Tensor, draws: tf.Tensor, seed: tf.Tensor, settings: Augmentation
) -> tf.Tensor:
    """Returns an image [H, W, C] cropped, flipped and rotated."""
    if settings.enlarge_crop:
        image = _enlarge_and_crop(image, tf.random.fold_in(seed, CROP), settings.enlarge_crop)
    for axis, direction, draw in ((1, "horizontal", draws[0]), (0, "vertical", draws[1])):
        if direction in settings.flips:
            image = tf.where(draw < 0.5, tf.reverse(image, [axis]), image)
    if settings.rotations:
        image = _rotate_by_one_of(image, draws[2], settings.rotations)
    return image


def _factor(draw: tf.Tensor, strength: float) -> tf.Tensor:
    return 1.0 + strength * (2.0 * draw - 1.0)


def _enlarge_and_crop(image: tf.Tensor, seed: tf.Tensor, factor: float) -> tf.Tensor:
    """Enlarges by bicubic interpolation and cuts, as the reference CycleGAN does from 286 to 256.

    Reference: Zhu et al. 2017, arXiv:1703.10593, and its authors' PyTorch code, resize_and_crop.
    """
    height, width, channels = image.shape
    size = round(factor * height), round(factor * width)
    # With antialias weights are exact, not of a table of 1024; bicubic overshoots at edges.
    large = tf.image.resize(image, size, "bicubic", antialias=True)
    large = tf.clip_by_value(large, 0.0, 1.0)
    return tf.image.stateless_random_crop(large, (height, width, channels), seed)


def _rotate_by_one_of(image: tf.Tensor, draw: tf.Tensor, degrees: tuple[float, ...]) -> tf.Tensor:
    angles = tf.constant([0.0, *(math.radians(d) for d in degrees)])
    index = tf.cast(draw * (1 + len(degrees)), tf.int32)
    return tf.cond(
        index > 0,
        lambda: rotate(image[tf.newaxis], tf.gather(angles, index))[0],
        lambda: image,
    )


def _change_contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Scales about the foreground's mean; the background is not part of a head's contrast."""
    foreground = tf.cast(image > 0.0, image.dtype)
    mean = tf.math.divide_no_nan(tf.reduce_sum(image * foreground), tf.reduce_sum(foreground))
    return tf.clip_by_value(mean + (image - mean) * factor, 0.0, 1.0) * foreground
