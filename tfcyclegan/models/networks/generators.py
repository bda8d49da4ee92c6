"""The generators as functional Keras models.

Names of layers follow Zhu et al. (2017), section 7.2: c7s1-k is a 7x7 convolution of stride 1,
dk halves the size, Rk is a residual block, uk doubles the size. Instance normalisation removes a
channel's mean, so the convolutions before it have no bias.
"""

from collections.abc import Callable

import keras

from tfcyclegan.models.networks.air import KeepAir
from tfcyclegan.models.networks.convolution import PaddedConv2D
from tfcyclegan.models.networks.full_size import full_size
from tfcyclegan.models.networks.initializers import LEAK, Weights, full_precision
from tfcyclegan.models.networks.layers import (
    BilinearDoubling,
    Coordinates,
    CropLike,
    InstanceNormalization,
    PadToMultiple,
    ReflectionPadding,
    ToneCurves,
)
from tfcyclegan.models.networks.residual import ResidualBlock
from tfcyclegan.models.networks.unets import (
    PAN_WIDTHS,
    cascade,
    deep_unet,
    pan_unet,
    small_unet,
)

UNET_WIDTHS = (1, 2, 4, 8, 8)
"""Filters of the U-Net's levels, as multiples of the first; each level halves the size."""

KNOTS = 8
"""Heights of a tone curve."""

KINDS = (
    *("resnet", "resnet_resize", "unet", "unet_deep", "unet_small", "curves"),
    *("casnet", "pan", "idcgan"),
)


def build_generator(
    *,
    filters: int,
    blocks: int,
    initializer: str,
    seed: int,
    name: str,
    kind: str = "resnet",
    levels: int = 8,
    positions: bool = False,
    keep_air: bool = False,
) -> keras.Model:
    """Builds a generator.

    "resnet" is c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-1 (Zhu et al. 2017), with 3x3
    transposed convolutions for u. "resnet_resize" doubles bilinearly instead, before a 3x3
    convolution, which cannot write a checkerboard (Odena et al. 2016, doi:10.23915/distill.00003).
    "unet" is C64-C128-C256-C512-C512 and back in that way, with skip connections (Isola et al.
    2017, arXiv:1611.07004), and the same last layer. "curves" has the ResNet's first half, and
    instead of the second a tone curve for each 4 x 4 pixels, which is applied to the image itself
    (Gharbi et al. 2017, doi:10.1145/3072959.3073592): it can turn the contrast of a region, and
    cannot move an edge. "unet_deep", "unet_small", "casnet" and "pan" are in `unets`, "idcgan" in
    `full_size`.

    Args:
        filters: Filters of the first layer, 64 in the papers.
        blocks: Residual blocks, 9 at 256 px and 6 at 128 px, or the U-Nets of "casnet"; a U-Net has
            none.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "generator_ab" or "generator_ba".
        kind: One of `KINDS`.
        levels: Of "unet_deep" and "casnet", 8 at 256 px.
        positions: Whether the first layer also sees each pixel's row and column.
        keep_air: Whether what lies outside the head passes through as it is.

    Returns:
        A model from [N, H, W, 1] to float32 [N, H, W, 1], both in model range. Any H and W of at
        least 17 (unet), 33 (pan), about a third of 2 ** levels (unet_deep, casnet), or 16 (the
        others). Inside, a ResNet and curves have a multiple of 4, a U-Net one of 2 to the power of
        its levels: the image is padded by reflection, and cropped in the end.
    """
    if kind not in KINDS:
        raise ValueError(f"generator: expected one of {', '.join(KINDS)}. Received: {kind!r}.")
    weights = Weights(initializer, seed)
    inputs = keras.Input((None, None, 1), name="image")
    x = Coordinates()(inputs) if positions else inputs
    x = PadToMultiple(2 ** halvings_of(kind, levels))(x)
    if kind == "curves":
        x = _curves(x, filters, blocks, weights)
    elif kind == "unet_deep":
        x = deep_unet(x, filters, levels, weights)
    elif kind == "unet_small":
        x = small_unet(x, filters, weights)
    elif kind == "casnet":
        x = cascade(x, filters, levels, blocks, weights)
    elif kind == "pan":
        x = pan_unet(x, filters, weights)
    elif kind == "idcgan":
        x = full_size(x, filters, weights)
    else:
        x = _with_last_layer(kind, x, filters, blocks, weights)
    x = keras.layers.Activation("tanh", dtype=full_precision())(x)
    outputs = CropLike(dtype=full_precision())([x, inputs])
    if keep_air:
        outputs = KeepAir(dtype=full_precision())([outputs, inputs])
    return keras.Model(inputs, outputs, name=name)


def halvings_of(kind: str, levels: int) -> int:
    """Returns how often a generator of this kind halves an image."""
    own = {"unet": len(UNET_WIDTHS), "unet_small": 4, "pan": len(PAN_WIDTHS), "idcgan": 0}
    return levels if kind in ("unet_deep", "casnet") else own.get(kind, 2)


def _with_last_layer(kind: str, x, filters: int, blocks: int, weights: Weights):
    """Returns a ResNet or the U-Net "unet", and c7s1-1 after it."""
    if kind == "unet":
        x = _unet(x, filters, weights)
    else:
        x = _resnet(x, filters, blocks, weights, UPSAMPLING[kind])
    x = ReflectionPadding(3)(x)
    return keras.layers.Conv2D(1, 7, kernel_initializer=weights())(x)


def _resnet(x, filters: int, blocks: int, weights: Weights, upsampled: Callable):
    x = _encoded(x, filters, blocks, weights)
    for k in (2, 1):
        x = _normalized(upsampled(x, filters * k, weights))
    return x


def _curves(images, filters: int, blocks: int, weights: Weights):
    x = ReflectionPadding(1)(_encoded(images, filters, blocks, weights))
    x = keras.layers.Conv2D(KNOTS, 3, kernel_initializer=weights())(x)
    x = BilinearDoubling()(BilinearDoubling()(x))
    return ToneCurves(dtype=full_precision())([x, images[..., :1]])


def _encoded(x, filters: int, blocks: int, weights: Weights):
    """c7s1-64, d128, d256, R256 x blocks."""
    x = ReflectionPadding(3)(x)
    x = _normalized(
        keras.layers.Conv2D(filters, 7, use_bias=False, kernel_initializer=weights())(x)
    )
    for k in (2, 4):
        x = keras.layers.Conv2D(
            filters * k, 3, 2, padding="same", use_bias=False, kernel_initializer=weights()
        )(x)
        x = _normalized(x)
    for _ in range(blocks):
        x = ResidualBlock(filters * 4, (weights(), weights()))(x)
    return x


def _unet(x, filters: int, weights: Weights):
    skips = []
    for level, k in enumerate(UNET_WIDTHS):
        x = keras.layers.Conv2D(filters * k, 4, 2, padding="same", kernel_initializer=weights())(x)
        # As in the paper not at the first level; nor at the last, where one pixel may be left.
        if 0 < level < len(UNET_WIDTHS) - 1:
            x = InstanceNormalization()(x)
        x = keras.layers.LeakyReLU(LEAK)(x)
        skips.append(x)
    for k, skip in zip(UNET_WIDTHS[-2::-1], skips[-2::-1], strict=True):
        x = _normalized(_resized(x, filters * k, weights))
        x = keras.layers.Concatenate()([x, skip])
    return _normalized(_resized(x, filters, weights))


def _normalized(x):
    return keras.layers.ReLU()(InstanceNormalization()(x))


def _transposed(x, filters: int, weights: Weights):
    return keras.layers.Conv2DTranspose(
        filters, 3, 2, padding="same", use_bias=False, kernel_initializer=weights()
    )(x)


def _resized(x, filters: int, weights: Weights):
    x = ReflectionPadding(1)(BilinearDoubling()(x))
    return PaddedConv2D(filters, 3, kernel_initializer=weights())(x)


UPSAMPLING = {"resnet": _transposed, "resnet_resize": _resized}
"""How a ResNet doubles its size."""
