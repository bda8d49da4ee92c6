"""Where a slice shows the head and where air, told from the slice alone; air that is kept."""

import keras
import tensorflow as tf

FOREGROUND = 0.1
"""Unit range; brighter than air."""


def head(image: tf.Tensor) -> tf.Tensor:
    """Returns where the head is: the foreground without specks, and all that lies between it.

    Between is what has foreground in all four directions, so that dark fluid counts. A slice
    without foreground counts as a whole.

    Args:
        image: float32 [N, H, W, 1], unit range.

    Returns:
        bool [N, H, W, 1].
    """
    bright = tf.cast(image > FOREGROUND, tf.float32)
    # A morphological opening by 3 x 3: what survives the smallest neighbour grows back.
    eroded = -tf.nn.max_pool2d(-bright, 3, 1, "SAME")
    opened = tf.nn.max_pool2d(eroded, 3, 1, "SAME")
    seen = [tf.cumsum(opened, axis, reverse=back) for axis in (1, 2) for back in (False, True)]
    inside = tf.reduce_min(tf.stack(seen), axis=0) > 0
    return inside | ~tf.reduce_any(inside, axis=[1, 2, 3], keepdims=True)


@keras.saving.register_keras_serializable("tfcyclegan")
class KeepAir(keras.layers.Layer):
    """Takes air from the source, ([N, H, W, 1] translated, [N, H, W, 1] source), model range.

    Air has no signal in any sequence, and what a network draws there is its own.
    """

    def call(self, inputs):
        translated, source = inputs
        source = tf.cast(source, translated.dtype)
        return tf.where(head((source + 1.0) / 2.0), translated, source)

    def compute_output_shape(self, input_shapes):
        return input_shapes[0]
