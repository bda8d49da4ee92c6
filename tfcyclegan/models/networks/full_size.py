"""The generator of ID-CGAN, which never leaves the image's size."""

import keras

from tfcyclegan.models.networks.initializers import LEAK, Weights
from tfcyclegan.models.networks.layers import InstanceNormalization


def full_size(x, filters: int, weights: Weights):
    """Returns the image before its tanh, of twelve 3x3 convolutions with a waist of one channel.

    As the authors' code of Zhang et al. (2017), https://arxiv.org/abs/1701.05957: two skip
    connections are added and carry the image round the waist. Every pixel is made of the 25 x 25
    around it.

    Args:
        x: [N, H, W, C].
        filters: Filters of the first layer, 64 in the paper.
        weights: Of its convolutions.
    """
    half = max(1, filters // 2)
    x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=weights())(x)
    second = _normalised(x, filters, weights, LEAK)
    x = _normalised(second, filters, weights, LEAK)
    fourth = x = _normalised(x, filters, weights, LEAK)
    x = _normalised(x, half, weights, LEAK)
    x = _normalised(x, 1, weights, LEAK)
    x = _normalised(x, half, weights, LEAK)
    x = keras.layers.Add()([_normalised(x, filters, weights), fourth])
    x = _normalised(x, filters, weights)
    x = keras.layers.Add()([_normalised(x, filters, weights), second])
    x = keras.layers.ReLU()(_normalised(x, filters, weights))
    return keras.layers.Conv2D(1, 3, padding="same", kernel_initializer=weights())(x)


def _normalised(x, filters: int, weights: Weights, leak: float = 0.0):
    x = keras.layers.LeakyReLU(leak)(x) if leak else keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(
        filters, 3, padding="same", use_bias=False, kernel_initializer=weights()
    )(x)
    return InstanceNormalization()(x)
