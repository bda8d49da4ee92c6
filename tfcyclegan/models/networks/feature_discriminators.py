"""Discriminators whose hidden layers are compared, too: those of MedGAN and of PAN.

Normalised by the spectrum of their kernels: instance normalisation would hide from the comparison
how bright an image is.
"""

import keras

from tfcyclegan.models.networks.initializers import LEAK, Weights, full_precision
from tfcyclegan.models.networks.spectral import SpectralConv2D

GLOBAL_LAYERS = ((1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (8, 2))
"""PAN's convolutions but for the last: filters as a multiple of the first's, and stride."""
GLOBAL_TAPS = (0, 3, 5, 7)
"""Those of them that are compared."""
LAST_FILTERS = 8


def build_small_patch_discriminator(
    *, filters: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the 16x16 PatchGAN of MedGAN, after its public port.

    C64 of stride 2, C128 of stride 1, and a convolution to a logit, all 4x4 (Armanious et al. 2020,
    doi:10.1016/j.compmedimag.2019.101684).

    Args:
        filters: Filters of the first layer, 64 in the paper.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "discriminator_a" or "discriminator_b".

    Returns:
        A model from an image beside its source, [N, H, W, 2] in model range, to float32 logits
        [N, H/2 - 2, W/2 - 2, 1] and the two hidden layers after their LeakyReLU.
    """
    weights = Weights(initializer, seed)
    inputs = keras.Input((None, None, 2), name="image")
    first = _activated(_convolution(filters, 4, 2, weights)(inputs))
    x = keras.layers.ZeroPadding2D(1)(first)
    second = _activated(_convolution(2 * filters, 4, 1, weights, padding="valid")(x))
    x = keras.layers.ZeroPadding2D(1)(second)
    x = _convolution(1, 4, 1, weights, padding="valid")(x)
    return _with_taps(inputs, x, [first, second], name)


def build_global_discriminator(
    *, filters: int, size: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the discriminator of PAN, which gives an image one logit, after its public port.

    3x3 convolutions C64, C128, C128, C256, C256, C512, C512, C512, every second one of stride 2,
    then C8 of stride 2 and a weight for each element that is left (Wang et al. 2018,
    doi:10.1109/TIP.2018.2836316).

    Args:
        filters: Filters of the first layer, 64 in the paper.
        size: Height and width of the images.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "discriminator_a" or "discriminator_b".

    Returns:
        A model from [N, size, size, 1] in model range to float32 logits [N, 1, 1, 1], and to the
        first, fourth, sixth and eighth hidden layer after their LeakyReLU.
    """
    weights = Weights(initializer, seed)
    inputs = keras.Input((size, size, 1), name="image")
    x, hidden = inputs, []
    for k, stride in GLOBAL_LAYERS:
        x = _activated(_convolution(filters * k, 3, stride, weights)(x))
        hidden.append(x)
    x = _activated(_convolution(LAST_FILTERS, 3, 2, weights)(x))
    x = _convolution(1, tuple(x.shape[1:3]), 1, weights, padding="valid")(x)
    return _with_taps(inputs, x, [hidden[tap] for tap in GLOBAL_TAPS], name)


def _convolution(filters, size, stride: int, weights: Weights, padding: str = "same"):
    return SpectralConv2D(filters, size, stride, padding=padding, kernel_initializer=weights())


def _activated(x):
    return keras.layers.LeakyReLU(LEAK)(x)


def _with_taps(inputs, logits, taps: list, name: str) -> keras.Model:
    outputs = [
        keras.layers.Activation("linear", dtype=full_precision())(x) for x in (logits, *taps)
    ]
    return keras.Model(inputs, outputs, name=name)
