"""A second discriminator, which sees how bright and how even each place is, and nothing finer.

The PatchGAN normalises each image's channels, so that it sees texture before brightness. Whether
ventricles are dark is a matter of brightness alone.
"""

import keras
import tensorflow as tf

from tfcyclegan.layers import Coordinates
from tfcyclegan.networks import LEAK, Weights, full_precision

CELL = 8
"""Height and width in pixels of the cells that statistics are taken of."""
VARIANCE = 1e-4
"""Added to the variance before the root, whose slope at 0 is infinite; 0.01 in model range."""


@keras.saving.register_keras_serializable("tfcyclegan")
class LocalStatistics(keras.layers.Layer):
    """Returns mean and deviation of the pixels of each cell of `CELL` x `CELL`.

    Input [N, H, W, C], pixels in the first channel; what H and W leave over a multiple is cut.
    Output [N, H / CELL, W / CELL, C + 1]: the means of all channels, then the deviation of the
    pixels. Computed in float32 at least.
    """

    def call(self, inputs):
        values = inputs if inputs.dtype == tf.float64 else tf.cast(inputs, tf.float32)
        means = _pooled(values)
        variance = _pooled(tf.square(values[..., :1])) - tf.square(means[..., :1])
        deviation = tf.sqrt(tf.nn.relu(variance) + VARIANCE)
        return tf.cast(tf.concat([means, deviation], axis=-1), inputs.dtype)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        return (batch, *(None if n is None else n // CELL for n in sizes), channels + 1)


def _pooled(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(images, CELL, CELL, "VALID")


def build_intensity_discriminator(
    *, filters: int, initializer: str, seed: int, name: str, positions: bool = False
) -> keras.Model:
    """Builds a discriminator of local statistics and of where they are.

    Two 3x3 convolutions over the cells and no normalisation, which would remove what it is for;
    so a logit sees 5 x 5 cells.

    Args:
        filters: Filters of the first layer; twice as many in the second.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "intensity_a" or "intensity_b".
        positions: Whether the image has a second channel, the slice's relative position from -1
            to 1. Row and column are seen in any case.

    Returns:
        A model from [N, H, W, 1] in model range (2 channels with `positions`) to float32 logits
        [N, H / CELL, W / CELL, 1].
    """
    weights = Weights(initializer, seed)
    inputs = keras.Input((None, None, 2 if positions else 1), name="image")
    x = Coordinates()(LocalStatistics()(inputs))
    for k in (1, 2):
        x = keras.layers.Conv2D(filters * k, 3, padding="same", kernel_initializer=weights())(x)
        x = keras.layers.LeakyReLU(LEAK)(x)
    x = keras.layers.Conv2D(1, 1, kernel_initializer=weights())(x)
    return keras.Model(
        inputs, keras.layers.Activation("linear", dtype=full_precision())(x), name=name
    )
