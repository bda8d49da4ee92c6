"""What a generator's first half makes of patches, in the form that CUT compares.

Park et al. (2020), https://arxiv.org/abs/2007.15651, section 3.
"""

import keras
import tensorflow as tf

from tfcyclegan.models.networks.initializers import Weights, full_precision
from tfcyclegan.models.networks.residual import ResidualBlock

BLOCKS = (0, 4)
"""Residual blocks that are tapped: the first and the fifth, or the last where there are fewer."""
SHORT = 1e-4
"""Features shorter than this stay shorter than 1: the gradient of a length of 0 has no end."""


def taps_of(generator: keras.Model) -> list:
    """Returns the tensors of a generator whose patches may be compared, the shallowest first.

    The image itself; the convolutions that halve it, before their norm; and residual blocks. For a
    ResNet and tone curves these are the five of the paper, whose receptive fields are 1, 9, 13, 29
    and 93 pixels. A U-Net has no residual block.
    """
    halving = [
        layer.output
        for layer in generator.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
    ]
    blocks = [layer.output for layer in generator.layers if isinstance(layer, ResidualBlock)]
    chosen = dict.fromkeys(min(block, len(blocks) - 1) for block in BLOCKS) if blocks else {}
    return [generator.input, *halving, *(blocks[block] for block in chosen)]


def encoder_of(generator: keras.Model, layers: tuple[int, ...]) -> keras.Model:
    """Returns a generator's first half: from an image to the taps of these numbers.

    It has no weights of its own: what changes in the generator changes in it.

    Raises:
        ValueError: There is no such tap.
    """
    taps = taps_of(generator)
    if not layers or max(layers) >= len(taps) or min(layers) < 0:
        raise ValueError(f"layers: expected numbers from 0 to {len(taps) - 1}. Received: {layers}.")
    return keras.Model(generator.input, [taps[layer] for layer in layers])


def build_projector(
    encoder: keras.Model, *, width: int, initializer: str, seed: int, name: str
) -> keras.Model:
    """Builds the networks that make features of an encoder's taps comparable, one for each tap.

    Each is two layers of `width` units with a ReLU between, and then a length of 1. Built at once:
    made on first use, as in the authors' code, they would be missing in optimizers and checkpoints.

    Args:
        encoder: Of `encoder_of`.
        width: Units, 256 in the paper.
        initializer: "he_normal" or "normal_0.02".
        seed: Seed of the weights.
        name: Of the model.

    Returns:
        A model from a list of patches [N, P, C], C as of each tap, to a list of float32 features
        [N, P, width].
    """
    weights = Weights(initializer, seed)
    inputs = [keras.Input((None, tap.shape[-1])) for tap in encoder.outputs]
    outputs = []
    for patches in inputs:
        x = keras.layers.Dense(width, "relu", kernel_initializer=weights())(patches)
        x = keras.layers.Dense(width, kernel_initializer=weights())(x)
        outputs.append(keras.layers.Activation("linear", dtype=full_precision())(x))
    return keras.Model(inputs, outputs, name=name)


class PatchFeatures:
    """Features of patches of an image, by a generator's own first half and a projector.

    Args:
        encoder: Of `encoder_of`.
        projector: Of `build_projector` for that encoder.
    """

    def __init__(self, encoder: keras.Model, projector: keras.Model):
        self._encoder, self._projector = encoder, projector

    def maps(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Returns what the encoder makes of images [N, H, W, 1], one map [N, h, w, C] per tap."""
        maps = self._encoder(images, training=True)
        return maps if isinstance(maps, list) else [maps]

    def at_places(self, maps: list[tf.Tensor], count: int, seed: tf.Tensor) -> list[tf.Tensor]:
        """Returns features of `count` places of each map, [N, P, width], of length 1.

        Args:
            maps: Of `maps`.
            count: As of `patches_of`.
            seed: int64 [2]; one seed draws the same places of maps of the same sizes.
        """
        drawn = [patches_of(m, count, tf.random.fold_in(seed, i)) for i, m in enumerate(maps)]
        features = self._projector(drawn, training=True)
        features = features if isinstance(features, list) else [features]
        return [tf.math.l2_normalize(f, -1, epsilon=SHORT**2) for f in features]


def patches_of(maps: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns features at places that are drawn without replacement, [N, P, C].

    The same places in every image, so that it does not matter which images share a batch.

    Args:
        maps: [N, H, W, C].
        count: Places; all where there are no more.
        seed: int [2]; one seed draws the same places of maps of one size.
    """
    total = maps.shape[1] * maps.shape[2]
    places = tf.random.experimental.stateless_shuffle(tf.range(total), seed)[:count]
    return tf.gather(tf.reshape(maps, [maps.shape[0], total, maps.shape[3]]), places, axis=1)
