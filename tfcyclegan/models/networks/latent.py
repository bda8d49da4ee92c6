"""Networks of DCGAN: from random numbers to an image, and from an image to one score.

After the code of Kossen et al. (2021), doi:10.1016/j.compbiomed.2021.104254, for images of any
size that 32 divides.
"""

import keras

from tfcyclegan.models.networks.batch_statistics import BatchStatistics
from tfcyclegan.models.networks.initializers import LEAK, Weights, full_precision
from tfcyclegan.models.networks.layers import InstanceNormalization
from tfcyclegan.models.networks.minibatch import MinibatchDiscrimination
from tfcyclegan.models.networks.spectral import SpectralConv2D

HALVINGS = 5
KERNEL = 5
WIDTHS = (8, 4, 2, 1)
"""Filters of the generator's inner layers, as multiples of the first of the discriminator."""
LAST_FILTERS, HIDDEN, COMPARED, INNER = 50, 200, 100, 16
"""Of the discriminator whose layers are compared: its last convolution, its dense layer, and what
minibatch discrimination appends."""


def build_sampler(
    *, filters: int, size: int, latent: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds a generator: a dense layer to S x S x 16 k, and five 5x5 transposed convolutions.

    Args:
        filters: k, 96 in the authors' code.
        size: Height and width of the images, a multiple of 32; S is a 32nd of it.
        latent: Random numbers that make an image.
        initializer: As of `initializers.Weights`.
        seed: Seed of the weights.
        name: "generator_a" or "generator_b".

    Returns:
        A model from [N, latent] to float32 [N, size, size, 1] in model range.
    """
    weights, side = Weights(initializer, seed), size // 2**HALVINGS
    inputs = keras.Input((latent,), name="latent")
    x = keras.layers.Dense(
        side * side * filters * 16, use_bias=False, kernel_initializer=weights()
    )(inputs)
    x = keras.layers.Reshape((side, side, filters * 16))(x)
    for k in WIDTHS:
        x = keras.layers.ReLU()(BatchStatistics()(x))
        x = _doubled(x, filters * k, weights)
    x = _doubled(keras.layers.ReLU()(BatchStatistics()(x)), 1, weights)
    outputs = keras.layers.Activation("tanh", dtype=full_precision())(x)
    return keras.Model(inputs, outputs, name=name)


def build_matching_discriminator(
    *, filters: int, size: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the discriminator with batch statistics and minibatch discrimination.

    Real and made images are to be given to it apart: each of them has its own statistics.

    Returns:
        A model from [N, size, size, 1] in model range to float32 logits [N, 1] and the last
        convolution, which feature matching compares.
    """
    weights = Weights(initializer, seed)
    inputs = keras.Input((size, size, 1), name="image")
    x = inputs
    for k in WIDTHS[::-1]:
        x = BatchStatistics()(_convolution(keras.layers.Conv2D, filters * k, weights)(x))
        x = keras.layers.LeakyReLU(LEAK)(x)
    last = _convolution(keras.layers.Conv2D, LAST_FILTERS, weights)(x)
    x = keras.layers.Dense(HIDDEN, kernel_initializer=weights())(keras.layers.Flatten()(last))
    x = MinibatchDiscrimination(COMPARED, INNER, weights())(x)
    x = keras.layers.Dense(1, kernel_initializer=weights())(x)
    outputs = [keras.layers.Activation("linear", dtype=full_precision())(y) for y in (x, last)]
    return keras.Model(inputs, outputs, name=name)


def build_critic(
    *, filters: int, size: int, spectral: bool, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the critic of WGAN-GP, with instance norm, or with spectral norm of its kernels.

    Returns:
        A model from [N, size, size, 1] in model range to float32 scores [N, 1].
    """
    weights, kind = Weights(initializer, seed), SpectralConv2D if spectral else keras.layers.Conv2D
    inputs = keras.Input((size, size, 1), name="image")
    x = inputs
    for k in (*WIDTHS[::-1], 16):
        x = _convolution(kind, filters * k, weights)(x)
        x = x if spectral else InstanceNormalization()(x)
        x = keras.layers.LeakyReLU(LEAK)(x)
    side = x.shape[1]
    x = kind(1, side, use_bias=False, kernel_initializer=weights())(x)
    x = keras.layers.Flatten()(x)
    outputs = keras.layers.Activation("linear", dtype=full_precision())(x)
    return keras.Model(inputs, outputs, name=name)


def _convolution(kind: type, filters: int, weights: Weights) -> keras.layers.Layer:
    return kind(filters, KERNEL, 2, padding="same", use_bias=False, kernel_initializer=weights())


def _doubled(x, filters: int, weights: Weights):
    return keras.layers.Conv2DTranspose(
        filters, KERNEL, 2, padding="same", use_bias=False, kernel_initializer=weights()
    )(x)
