"""The discriminators as functional Keras models."""

import keras

from tfcyclegan.models.networks.initializers import LEAK, Weights, full_precision
from tfcyclegan.models.networks.layers import Coordinates, InstanceNormalization


def build_discriminator(
    *,
    filters: int,
    initializer: str,
    seed: int,
    name: str,
    positions: bool = False,
    channels: int = 1,
    taps: bool = False,
) -> keras.Model:
    """Builds the 70x70 PatchGAN C64-C128-C256-C512 (Isola et al. 2017, arXiv:1611.07004).

    Args:
        filters: Filters of the first layer, 64 in the papers.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: "discriminator_a" or "discriminator_b".
        positions: Whether the first layer also sees where a pixel is: row, column and slice. The
            image then has one more channel, the slice's relative position from -1 to 1.
        channels: Of the images: 2 where the source stands beside what is judged.
        taps: Whether the hidden layers come out too.

    Returns:
        A model from [N, H, W, `channels`] in model range, one more with `positions`, to float32
        logits [N, H/8 - 2, W/8 - 2, 1], one per patch; H and W at least 32. With `taps` to a list
        of them and the four hidden layers after their LeakyReLU.
    """
    weights = Weights(initializer, seed)
    inputs = keras.Input((None, None, channels + positions), name="image")
    x = Coordinates()(inputs) if positions else inputs
    x = keras.layers.Conv2D(filters, 4, 2, padding="same", kernel_initializer=weights())(x)
    x = keras.layers.LeakyReLU(LEAK)(x)
    hidden = [x]
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
        hidden.append(x)
    x = keras.layers.ZeroPadding2D(1)(x)
    x = keras.layers.Conv2D(1, 4, kernel_initializer=weights())(x)
    outputs = [
        keras.layers.Activation("linear", dtype=full_precision())(y)
        for y in (x, *(hidden if taps else ()))
    ]
    return keras.Model(inputs, outputs if taps else outputs[0], name=name)
