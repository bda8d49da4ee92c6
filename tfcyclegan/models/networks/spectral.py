"""Spectral normalisation (Miyato et al. 2018, https://arxiv.org/abs/1802.05957)."""

import keras
import tensorflow as tf

SETTLING = 15
"""Power iterations before the first step; a random vector is far from the one that is sought."""


@keras.saving.register_keras_serializable("tfcyclegan")
class SpectralConv2D(keras.layers.Conv2D):
    """A convolution whose kernel is divided by its largest singular value.

    The kernel counts as a matrix of what it sees, k k C, by its filters F. The value is that along
    a vector of the layer's state, which `advance` brings nearer to the right one. A forward pass
    changes nothing: a step that is refused, or that is done in parts, leaves no trace.

    Args:
        filters: Output channels.
        kernel_size: Height and width of the kernel.
        **kwargs: For keras.layers.Conv2D.

    Input [N, H, W, C], output as of keras.layers.Conv2D.
    """

    def build(self, input_shape):
        super().build(input_shape)
        # Each replica keeps its own, and all the same: it follows from the weights alone.
        self.singular = keras.Variable(
            self._settled,
            shape=(self.filters,),
            dtype="float32",
            trainable=False,
            autocast=False,
            synchronization="on_read",
            aggregation="only_first_replica",
            name="singular",
        )

    def _settled(self, shape, dtype):
        vector = tf.random.stateless_normal(shape, seed=(1, 2), dtype=dtype)
        for _ in range(SETTLING):
            vector = _iterated(_matrix(self.kernel), vector)
        return vector

    # Keras' convolutions name what they save one by one.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["singular"] = self.singular

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.singular.assign(store["singular"])

    def convolution_op(self, inputs, kernel):
        value = tf.norm(tf.linalg.matvec(_matrix(kernel), tf.convert_to_tensor(self.singular)))
        kernel = tf.convert_to_tensor(kernel)
        return super().convolution_op(inputs, kernel / tf.cast(value, kernel.dtype))

    def advance(self) -> None:
        """Makes one power iteration with the kernel as it is."""
        self.singular.assign(_iterated(_matrix(self.kernel), tf.convert_to_tensor(self.singular)))


def _matrix(kernel) -> tf.Tensor:
    kernel = tf.cast(tf.convert_to_tensor(kernel), tf.float32)
    return tf.reshape(kernel, [-1, kernel.shape[-1]])


def _iterated(matrix: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
    seen = tf.linalg.matvec(matrix, vector)
    return tf.math.l2_normalize(tf.linalg.matvec(matrix, seen, transpose_a=True))


def advance(network: keras.Model) -> None:
    """Makes one power iteration in each of a network's layers that have one."""
    for layer in network.layers:
        if isinstance(layer, SpectralConv2D):
            layer.advance()
