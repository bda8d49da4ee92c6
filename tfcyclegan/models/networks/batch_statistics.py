"""Normalisation by what a batch is like, and a use without any batch (Kossen et al. 2021).

Batch normalisation with moving averages is another function in use than in training, and its
averages move in steps that are refused. Here nothing moves: in training a batch is normalised by
its own mean and variance, and for use both are measured once, with the weights as they are.
"""

import keras
import tensorflow as tf

EPSILON = 1e-5


@keras.saving.register_keras_serializable("tfcyclegan")
class BatchStatistics(keras.layers.Layer):
    """Normalises each channel by mean and variance of a batch in training, by measured ones else.

    With a learnt scale and shift, as Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167,
    equation 1. Computed in float32 at least, under any precision policy.

    Input and output: [N, ..., C], compute dtype of the policy.
    """

    def build(self, input_shape):
        width = (input_shape[-1],)
        self.scale = self.add_weight(shape=width, initializer="ones", name="scale")
        self.shift = self.add_weight(shape=width, initializer="zeros", name="shift")
        held = {"shape": width, "trainable": False}
        self.mean = self.add_weight(initializer="zeros", name="mean", **held)
        self.variance = self.add_weight(initializer="ones", name="variance", **held)

    def call(self, inputs, training=False):
        if not training:
            return self._normalised(inputs, self.mean, self.variance)
        return self._normalised(inputs, *_moments(inputs))

    def _normalised(self, inputs, mean, variance):
        numbers = (mean, variance, self.shift, self.scale)
        numbers = [tf.cast(tf.convert_to_tensor(x), tf.float32) for x in numbers]
        made = tf.nn.batch_normalization(tf.cast(inputs, tf.float32), *numbers, EPSILON)
        return tf.cast(made, inputs.dtype)

    def measure(self, inputs) -> tf.Tensor:
        """Keeps mean and variance of a batch for use, and returns what the layer makes of it."""
        mean, variance = _moments(inputs)
        self.mean.assign(mean)
        self.variance.assign(variance)
        return self._normalised(inputs, mean, variance)

    def compute_output_shape(self, input_shape):
        return input_shape


def _moments(inputs) -> tuple[tf.Tensor, tf.Tensor]:
    axes = list(range(len(inputs.shape) - 1))
    return tf.nn.moments(tf.cast(inputs, tf.float32), axes)


def measure(network: keras.Model, inputs: tf.Tensor) -> None:
    """Measures the statistics of each layer that has any, from the first to the last.

    Args:
        network: A chain of layers.
        inputs: A batch that stands for all.
    """
    x = inputs
    for layer in network.layers:
        if isinstance(layer, BatchStatistics):
            x = layer.measure(x)
        elif not isinstance(layer, keras.layers.InputLayer):
            x = layer(x, training=False)
