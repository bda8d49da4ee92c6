"""Keras' Inception v3 with weights from a user's file: ImageNet's, or those of a medical set.

Not the FID network: other weights, another last block. Nothing is downloaded; a file that is not
the ImageNet one that Keras publishes keeps the name of the architecture and gets eight digits of
its own SHA-256, so that no other training passes as that one.
"""

import hashlib
import pathlib
import warnings

import keras
import tensorflow as tf

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.metrics.extractors.registry import extracted, register, required
from tfcyclegan.metrics.extractors.resize import RESIZERS
from tfcyclegan.metrics.extractors.weight_files import sha256_of

SIDE = 299
FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_MD5 = "bcbd6486424b2319ff4ef7d526e38f63"
"""What keras.applications says of its file; it publishes no SHA-256."""


class KerasInceptionV3:
    """Mean over the 8 x 8 map of the last block.

    Args:
        path: Weights of `keras.applications.InceptionV3(include_top=False)`.
    """

    resize = "clean"
    dimension = 2048

    def __init__(self, path: pathlib.Path):
        self.sha256 = sha256_of(path)
        imagenet = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == IMAGENET_MD5
        self.name = "keras_inception_v3" + ("" if imagenet else f"_{self.sha256[:8]}")
        self._network = _network(path)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 features [N, 2048] of unit-range images [N, H, W, 1]."""
        return extracted(self, images, self._features)

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        # keras.applications' scale of this network: x / 127.5 - 1 on the scale of 8 bits.
        x = RESIZERS[self.resize](images * 255.0, SIDE) / 127.5 - 1.0
        return self._network(tf.repeat(x, 3, axis=3), training=False)


def _network(path: pathlib.Path) -> keras.Model:
    """Returns the network in float32, whatever precision the model trains in."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        network = keras.applications.InceptionV3(
            include_top=False, weights=None, pooling="avg", input_shape=(SIDE, SIDE, 3)
        )
        with warnings.catch_warnings():
            # Keras warns of layers that keep their random weights, and goes on.
            warnings.simplefilter("error")
            network.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise UserError(
            f"The file of --extractor must be weights of keras.applications.InceptionV3 without its"
            f" top, such as {FILE}. Received: a file with other layers, or damaged.",
            ExitCode.DAMAGED,
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    return network


@register("keras_inception_v3_clean")
def make(weights: pathlib.Path | None) -> KerasInceptionV3:
    """Returns the extractor."""
    return KerasInceptionV3(required(weights, FILE))
