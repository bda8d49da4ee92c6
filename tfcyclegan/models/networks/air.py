"""Air that a translation keeps from its source."""

import keras
import tensorflow as tf

from tfcyclegan.data.intensity import FOREGROUND

MARGIN = 32
"""What this part of an image's height is as wide as still belongs to the head."""


def near_head(image: tf.Tensor) -> tf.Tensor:
    """Returns where the head may be: wider than `data.head.head`, as nothing of it may be missing.

    What is foreground in the mean of 3 x 3 pixels, so that a thin scalp counts and specks do not;
    what has it in three of four directions, as dark eyes before the brain have; and a margin, as
    of a scalp whose fat is suppressed. A slice without foreground, as beyond the top of a head, is
    air as a whole: training leaves such slices out, and a network that meets one draws a head.

    Args:
        image: float32 [N, H, W, 1], unit range.

    Returns:
        bool [N, H, W, 1].
    """
    bright = tf.cast(tf.nn.avg_pool2d(image, 3, 1, "SAME") > FOREGROUND, tf.float32)
    return _dilated(_directions(bright) >= 3, tf.shape(image)[1] // MARGIN)


def _directions(bright: tf.Tensor) -> tf.Tensor:
    """Returns in how many of four directions each pixel has foreground, itself included."""
    sums = [tf.cumsum(bright, axis, reverse=back) for axis in (1, 2) for back in (False, True)]
    return tf.add_n([tf.cast(count > 0, tf.int32) for count in sums])


def _dilated(mask: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Dilates by a square of 2 `width` + 1, a size that pooling would have to know beforehand."""
    for axis in (1, 2):
        size = tf.shape(mask)[axis]
        pads = [[width + 1, width] if i == axis else [0, 0] for i in range(4)]
        sums = tf.cumsum(tf.pad(tf.cast(mask, tf.int32), pads), axis)
        places = tf.range(size)
        ends = tf.gather(sums, places + 2 * width + 1, axis=axis)
        mask = ends > tf.gather(sums, places, axis=axis)
    return mask


@keras.saving.register_keras_serializable("tfcyclegan")
class KeepAir(keras.layers.Layer):
    """Takes air from the source, ([N, H, W, 1] translated, [N, H, W, 1] source), model range.

    Air has no signal in any sequence, and what a network draws there is its own.
    """

    def call(self, inputs):
        translated, source = inputs
        source = tf.cast(source, translated.dtype)
        return tf.where(near_head((source + 1.0) / 2.0), translated, source)

    def compute_output_shape(self, input_shapes):
        return input_shapes[0]
