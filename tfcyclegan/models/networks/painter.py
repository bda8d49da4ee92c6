"""A generator that paints label images: both sequences of one head at once."""

import keras

from tfcyclegan.models.networks.initializers import Weights, full_precision
from tfcyclegan.models.networks.unets import deep_unet

LABELS, IMAGES = 3, 2
"""Channels of a label image (`data.labels`), and of what is painted: domain a, then domain b."""


def build_painter(
    *, filters: int, levels: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the U-Net of pix2pix with label images as its source (`unets.deep_unet`).

    Args:
        filters: Filters of the first level.
        levels: Each halves the size.
        initializer: As of `initializers.Weights`.
        seed: Seed of the weights.
        name: "generator".

    Returns:
        A model from label images [N, H, W, 3] to float32 images [N, H, W, 2], both in model range;
        H and W are multiples of 2 ** levels.
    """
    inputs = keras.Input((None, None, LABELS), name="label")
    x = deep_unet(inputs, filters, levels, Weights(initializer, seed), images=IMAGES)
    outputs = keras.layers.Activation("tanh", dtype=full_precision())(x)
    return keras.Model(inputs, outputs, name=name)
