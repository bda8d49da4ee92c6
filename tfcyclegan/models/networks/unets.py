"""U-Nets: those of pix2pix, MedGAN and PAN, and one of small convolutions for few images."""

import keras

from tfcyclegan.models.networks.initializers import LEAK, Weights
from tfcyclegan.models.networks.layers import BilinearDoubling, InstanceNormalization

WIDEST = 8
"""Most filters of a level, as a multiple of the first's."""


def deep_unet(x, filters: int, levels: int, weights: Weights, images: int = 1):
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
        images: How many images it makes, as channels.
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
    return _doubled(x, images, weights, use_bias=True)


def cascade(x, filters: int, levels: int, blocks: int, weights: Weights):
    """Returns the image before its tanh: U-Nets one after the other, each of the last one's image.

    The generator of MedGAN (Armanious et al. 2020, doi:10.1016/j.compmedimag.2019.101684), six
    times `deep_unet`. What stands between two of them is an image, after its tanh.

    Args:
        x: [N, H, W, C]; H and W multiples of 2 ** levels.
        filters: Filters of the first layer of each, 64 in the paper.
        levels: Of each.
        blocks: U-Nets, 6 in the paper.
        weights: Of all convolutions.
    """
    for block in range(blocks):
        x = keras.layers.Activation("tanh")(x) if block else x
        x = deep_unet(x, filters, levels, weights)
    return x


PAN_WIDTHS = (1, 2, 4, 8, 8, 8)
"""Filters of the levels of PAN's U-Net, as multiples of the first; each level halves the size."""


def pan_unet(x, filters: int, weights: Weights):
    """Returns the image before its tanh: the generator of PAN, as its public port has it.

    3x3 convolutions of stride 2 and 4x4 transposed ones (Wang et al. 2018,
    doi:10.1109/TIP.2018.2836316). Skip connections are what a level is before its LeakyReLU. The
    innermost level has no norm, because norm turns one pixel into zero.

    Args:
        x: [N, H, W, C]; H and W multiples of 64.
        filters: Filters of the first layer, 64 in the paper.
        weights: Of its convolutions.
    """
    skips = []
    for level, k in enumerate(PAN_WIDTHS):
        x = keras.layers.LeakyReLU(LEAK)(x) if level else x
        x = keras.layers.Conv2D(
            filters * k, 3, 2, padding="same", use_bias=not level, kernel_initializer=weights()
        )(x)
        x = InstanceNormalization()(x) if 0 < level < len(PAN_WIDTHS) - 1 else x
        skips.append(x)
    x = keras.layers.LeakyReLU(LEAK)(x)
    for k, skip in zip((8, 4, 2, 1, 1), skips[-2::-1], strict=True):
        x = InstanceNormalization()(_transposed(x, filters * k, weights, use_bias=False))
        # The first level's own size comes up alone.
        x = x if skip is skips[0] else keras.layers.Concatenate()([x, skip])
        x = keras.layers.ReLU()(x)
    return _transposed(x, 1, weights, use_bias=True)


SMALL_WIDTHS = (1, 2, 4, 8, 8)
"""Filters of the small U-Net's levels, as multiples of the first; all but the first halve it."""


def small_unet(x, filters: int, weights: Weights):
    """Returns the image before its tanh, of 3x3 convolutions and bilinear doubling.

    Two convolutions a level on the way down and one on the way up (after Ronneberger et al. 2015,
    arXiv:1505.04597), the first of a level with stride 2 in place of pooling. Skip connections are
    added, not concatenated: a 1x1 convolution before the doubling brings what comes up to as many
    filters (after Lin et al. 2017, arXiv:1612.03144). That is 0.6 of the operations.

    Args:
        x: [N, H, W, C]; H and W multiples of 16.
        filters: Filters of the first level.
        weights: Of its convolutions.
    """
    skips = []
    for level, k in enumerate(SMALL_WIDTHS):
        x = _convolved(x, filters * k, weights, stride=2 if level else 1)
        x = _convolved(x, filters * k, weights) if level else x
        skips.append(x)
    for k, skip in zip(SMALL_WIDTHS[-2::-1], skips[-2::-1], strict=True):
        x = BilinearDoubling()(_convolved(x, filters * k, weights, size=1))
        x = _convolved(keras.layers.Add()([x, skip]), filters * k, weights)
    return keras.layers.Conv2D(1, 3, padding="same", kernel_initializer=weights())(x)


def _convolved(x, width: int, weights: Weights, *, size: int = 3, stride: int = 1):
    x = keras.layers.Conv2D(
        width, size, stride, padding="same", use_bias=False, kernel_initializer=weights()
    )(x)
    return keras.layers.LeakyReLU(LEAK)(InstanceNormalization()(x))


def _doubled(x, width: int, weights: Weights, *, use_bias: bool):
    return _transposed(keras.layers.ReLU()(x), width, weights, use_bias=use_bias)


def _transposed(x, width: int, weights: Weights, *, use_bias: bool):
    return keras.layers.Conv2DTranspose(
        width, 4, 2, padding="same", use_bias=use_bias, kernel_initializer=weights()
    )(x)
