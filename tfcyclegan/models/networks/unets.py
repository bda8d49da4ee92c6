"""The deep U-Net of pix2pix, whose innermost map is one pixel at the size that it is made for."""

import keras

from tfcyclegan.models.networks.initializers import LEAK, Weights
from tfcyclegan.models.networks.layers import InstanceNormalization

WIDEST = 8
"""Most filters of a level, as a multiple of the first's."""


def deep_unet(x, filters: int, levels: int, weights: Weights):
    """Returns the image before its tanh: C64-C128-C256-C512 x (levels - 3) and back.

    Isola et al. (2017), arXiv:1611.07004, section 6.1.1, without dropout: 4x4 convolutions of
    stride 2, skip connections at every level. Instance norm stands for the paper's batch norm,
    which at batch 1 is another function in use than in training. Neither the first level has it nor
    the innermost, where it would turn one pixel into zero.

    Args:
        x: [N, H, W, C]; H and W multiples of 2 ** levels.
        filters: Filters of the first level, 64 in the paper.
        levels: At least 2; 8 for 256 px in the paper.
        weights: Of its convolutions.
    """
    widths = [filters * min(2**level, WIDEST) for level in range(levels)]
    skips = []
    for level, width in enumerate(widths):
        normalised = 0 < level < levels - 1
        x = keras.layers.LeakyReLU(LEAK)(x) if level else x
        x = keras.layers.Conv2D(
            width, 4, 2, padding="same", use_bias=not normalised, kernel_initializer=weights()
        )(x)
        x = InstanceNormalization()(x) if normalised else x
        skips.append(x)
    for width, skip in zip(widths[-2::-1], skips[-2::-1], strict=True):
        x = InstanceNormalization()(_doubled(x, width, weights, use_bias=False))
        x = keras.layers.Concatenate()([x, skip])
    return _doubled(x, 1, weights, use_bias=True)


def _doubled(x, width: int, weights: Weights, *, use_bias: bool):
    x = keras.layers.ReLU()(x)
    return keras.layers.Conv2DTranspose(
        width, 4, 2, padding="same", use_bias=use_bias, kernel_initializer=weights()
    )(x)
