"""A layer that sees how alike the examples of a batch are (Salimans et al. 2016)."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfcyclegan")
class MinibatchDiscrimination(keras.layers.Layer):
    """Appends how near each example is to the others of its batch, [N, D] to [N, D + outputs].

    A generator that makes one image of all gives itself away by it. Two equal examples have 1 in
    each output, and examples that are far apart 0. Under replicas each sees its own share.

    Args:
        outputs: Numbers that are appended.
        inner: Length of what is compared for each of them.

    Reference:
        Salimans et al. (2016), https://arxiv.org/abs/1606.03498, section 3.2.
    """

    def __init__(self, outputs: int, inner: int, kernel_initializer="he_normal", **kwargs):
        super().__init__(**kwargs)
        self.outputs, self.inner = outputs, inner
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (input_shape[-1], self.outputs * self.inner)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer)

    def call(self, inputs):
        projected = tf.matmul(inputs, tf.convert_to_tensor(self.kernel))
        projected = tf.reshape(projected, [-1, self.outputs, self.inner])
        apart = tf.abs(projected[:, tf.newaxis] - projected[tf.newaxis])
        alike = tf.exp(-tf.reduce_sum(apart, axis=-1))
        near = tf.reduce_sum(alike, axis=1) - 1.0  # itself
        return tf.concat([inputs, near], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.outputs)

    def get_config(self) -> dict:
        initializer = keras.initializers.serialize(self.kernel_initializer)
        own = {"outputs": self.outputs, "inner": self.inner, "kernel_initializer": initializer}
        return {**super().get_config(), **own}
