"""Spectral normalisation (Miyato et al. 2018, https://arxiv.org/abs/1802.05957)."""

import keras
import tensorflow as tf

SETTLING = 15
"""Power iterations before the first step; a random vector is far from the one that is sought."""


class Spectral:
    """What divides a layer's kernel by its largest singular value; to be inherited before a layer.

    The kernel counts as a matrix of what it sees by its filters. The value is that along a vector
    of the layer's state, which `advance` brings nearer to the right one. A forward pass changes
    nothing: a step that is refused, or that is done in parts, leaves no trace.
    """

    filters_axis = -1
    """Axis of the kernel that its filters are along."""

    def build(self, input_shape):
        super().build(input_shape)
        # Each replica keeps its own, and all the same: it follows from the weights alone.
        self.singular = keras.Variable(
            self._settled,
            shape=(self.kernel.shape[self.filters_axis],),
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
            vector = _iterated(self._matrix(self.kernel), vector)
        return vector

    # Keras' layers name what they save one by one.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["singular"] = self.singular

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.singular.assign(store["singular"])

    def divided(self, kernel) -> tf.Tensor:
        """Returns the kernel as it is used."""
        value = tf.norm(tf.linalg.matvec(self._matrix(kernel), tf.convert_to_tensor(self.singular)))
        kernel = tf.convert_to_tensor(kernel)
        return kernel / tf.cast(value, kernel.dtype)

    def advance(self) -> None:
        """Makes one power iteration with the kernel as it is."""
        matrix = self._matrix(self.kernel)
        self.singular.assign(_iterated(matrix, tf.convert_to_tensor(self.singular)))

    def _matrix(self, kernel) -> tf.Tensor:
        kernel = tf.cast(tf.convert_to_tensor(kernel), tf.float32)
        axes = [a for a in range(len(kernel.shape)) if a != self.filters_axis % len(kernel.shape)]
        kernel = tf.transpose(kernel, [*axes, self.filters_axis % len(kernel.shape)])
        return tf.reshape(kernel, [-1, kernel.shape[-1]])


@keras.saving.register_keras_serializable("tfcyclegan")
class SpectralConv2D(Spectral, keras.layers.Conv2D):
    """keras.layers.Conv2D with a kernel of singular value 1; its matrix is k k C by F."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, self.divided(kernel))


def _iterated(matrix: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
    seen = tf.linalg.matvec(matrix, vector)
    return tf.math.l2_normalize(tf.linalg.matvec(matrix, seen, transpose_a=True))


def advance(network: keras.Model) -> None:
    """Makes one power iteration in each of a network's layers that have one."""
    for layer in network.layers:
        if isinstance(layer, Spectral):
            layer.advance()
