"""The generators and discriminators of CycleGAN as functional Keras models.

Names of layers follow Zhu et al. (2017), section 7.2: c7s1-k is a 7x7 convolution of stride 1,
dk halves the size, Rk is a residual block, uk doubles the size. Instance normalisation removes a
channel's mean, so the convolutions before it have no bias.
"""

import itertools

import keras

from tfcyclegan.layers import InstanceNormalization, PaddedConv2D, ReflectionPadding

LEAK = 0.2


class _Weights:
    """Hands each layer its own seeded initializer, so that weights depend on the seed alone."""

    def __init__(self, kind: str, seed: int):
        self._kind = kind
        self._seeds = itertools.count(seed)

    def __call__(self) -> keras.Initializer:
        seed = next(self._seeds)
        if self._kind == "he_normal":  # equations 10 to 14; He et al. (2015)
            return keras.initializers.HeNormal(seed=seed)
        if self._kind == "normal_0.02":
            return keras.initializers.RandomNormal(stddev=0.02, seed=seed)
        raise ValueError(
            f"initializer: expected he_normal or normal_0.02. Received: {self._kind!r}."
        )


def build_generator(
    *, filters: int, blocks: int, upsampling: str, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the ResNet generator c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-1.

    Args:
        filters: Filters of the first layer, 64 in the papers.
        blocks: Residual blocks, 9 at 256 px and 6 at 128 px.
        upsampling: "transpose" (3x3 transposed convolution) or "resize_conv" (bilinear, then 3x3),
            which cannot write a checkerboard (Odena et al. 2016, doi:10.23915/distill.00003).
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "generator_ab" or "generator_ba".

    Returns:
        A model from [N, H, W, 1] to float32 [N, H, W, 1], both in model range; H and W divisible
        by 4 and at least 16.
    """
    weights = _Weights(initializer, seed)
    inputs = keras.Input((None, None, 1), name="image")
    x = ReflectionPadding(3)(inputs)
    x = _normalized(
        keras.layers.Conv2D(filters, 7, use_bias=False, kernel_initializer=weights())(x)
    )
    for k in (2, 4):
        x = keras.layers.Conv2D(
            filters * k, 3, 2, padding="same", use_bias=False, kernel_initializer=weights()
        )(x)
        x = _normalized(x)
    for _ in range(blocks):
        x = _residual(x, filters * 4, weights)
    for k in (2, 1):
        x = _normalized(_upsampled(x, filters * k, upsampling, weights))
    x = ReflectionPadding(3)(x)
    x = keras.layers.Conv2D(1, 7, kernel_initializer=weights())(x)
    outputs = keras.layers.Activation("tanh", dtype=_full_precision())(x)
    return keras.Model(inputs, outputs, name=name)


def build_discriminator(*, filters: int, initializer: str, seed: int, name: str) -> keras.Model:
    """Builds the 70x70 PatchGAN C64-C128-C256-C512 (Isola et al. 2017, arXiv:1611.07004).

    Args:
        filters: Filters of the first layer, 64 in the papers.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "discriminator_a" or "discriminator_b".

    Returns:
        A model from [N, H, W, 1] in model range to float32 logits [N, H/8 - 2, W/8 - 2, 1], one
        per patch; H and W at least 32.
    """
    weights = _Weights(initializer, seed)
    inputs = keras.Input((None, None, 1), name="image")
    x = keras.layers.Conv2D(filters, 4, 2, padding="same", kernel_initializer=weights())(inputs)
    x = keras.layers.LeakyReLU(LEAK)(x)
    for k, stride in ((2, 2), (4, 2), (8, 1)):
        # One pixel of padding on each side, which "same" gives for an even size and stride 2 only.
        x = x if stride == 2 else keras.layers.ZeroPadding2D(1)(x)
        x = keras.layers.Conv2D(
            filters * k,
            4,
            stride,
            padding="same" if stride == 2 else "valid",
            use_bias=False,
            kernel_initializer=weights(),
        )(x)
        x = keras.layers.LeakyReLU(LEAK)(InstanceNormalization()(x))
    x = keras.layers.ZeroPadding2D(1)(x)
    x = keras.layers.Conv2D(1, 4, kernel_initializer=weights())(x)
    outputs = keras.layers.Activation("linear", dtype=_full_precision())(x)
    return keras.Model(inputs, outputs, name=name)


def _full_precision() -> str:
    """float32 under mixed precision: 8 bits of mantissa would band a 16-bit image."""
    return keras.config.dtype_policy().variable_dtype


def _normalized(x):
    return keras.layers.ReLU()(InstanceNormalization()(x))


def _residual(x, filters: int, weights: _Weights):
    y = x
    for last in (False, True):
        y = ReflectionPadding(1)(y)
        y = PaddedConv2D(filters, 3, kernel_initializer=weights())(y)
        y = InstanceNormalization()(y) if last else _normalized(y)
    return keras.layers.Add()([x, y])


def _upsampled(x, filters: int, upsampling: str, weights: _Weights):
    if upsampling == "transpose":
        return keras.layers.Conv2DTranspose(
            filters, 3, 2, padding="same", use_bias=False, kernel_initializer=weights()
        )(x)
    if upsampling == "resize_conv":
        x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = ReflectionPadding(1)(x)
        return PaddedConv2D(filters, 3, kernel_initializer=weights())(x)
    raise ValueError(f"upsampling: expected transpose or resize_conv. Received: {upsampling!r}.")
