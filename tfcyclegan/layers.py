"""Layers that Keras does not have in the form CycleGAN needs."""

import keras
import tensorflow as tf

INSTANCE_NORM_EPSILON = 1e-5
"""Added to the variance; small against the variance of any slice that ingestion lets through."""

FUSED_BATCH_LIMIT = 4
"""Up to this static batch size, one fused kernel per image is faster than separate moments."""


@keras.saving.register_keras_serializable("tfcyclegan")
class InstanceNormalization(keras.layers.Layer):
    """Normalises each channel of each image to mean 0 and variance 1, without learnt scale.

    Computed in float32 at least, under any precision policy. Equal to tensorflow-addons'
    `InstanceNormalization(center=False, scale=False)` and to
    `keras.layers.GroupNormalization(groups=-1)`.

    Args:
        epsilon: Added to the variance.

    Input and output: [N, H, W, C], compute dtype of the policy. A constant channel becomes 0.

    Reference:
        Ulyanov et al. (2016), https://arxiv.org/abs/1607.08022.
    """

    def __init__(self, epsilon: float = INSTANCE_NORM_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs):
        batch = inputs.shape[0]
        if batch is None or batch > FUSED_BATCH_LIMIT or inputs.dtype == tf.float64:
            return self._by_moments(inputs)
        images = [inputs] if batch == 1 else tf.split(inputs, batch)
        normalized = [self._fused(image) for image in images]
        return normalized[0] if batch == 1 else tf.concat(normalized, axis=0)

    def _fused(self, image: tf.Tensor) -> tf.Tensor:
        """Instance norm of one image is batch norm of a batch of one, which has a fused kernel."""
        dtype = image.dtype
        if dtype == tf.float16:
            image = tf.cast(image, tf.float32)  # no float16 kernel on the CPU
        channels = image.shape[-1]
        normalized = tf.raw_ops.FusedBatchNormV3(
            x=image,
            scale=tf.ones([channels]),
            offset=tf.zeros([channels]),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        ).y
        return tf.cast(normalized, dtype)

    def _by_moments(self, images: tf.Tensor) -> tf.Tensor:
        values = tf.cast(images, self.variable_dtype)
        mean, variance = tf.nn.moments(values, axes=[1, 2], keepdims=True)
        return tf.cast((values - mean) * tf.math.rsqrt(variance + self.epsilon), images.dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("tfcyclegan")
class ReflectionPadding(keras.layers.Layer):
    """Pads height and width by mirroring without repeating the border, [N, H, W, C].

    Args:
        padding: Pixels on each of the four sides; H and W must exceed it.
    """

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs):
        border = [self.padding, self.padding]
        return tf.pad(inputs, [[0, 0], border, border, [0, 0]], mode="REFLECT")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        grow = 2 * self.padding
        return (
            batch,
            None if height is None else height + grow,
            None if width is None else width + grow,
            channels,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "padding": self.padding}
