"""Convolutions of a trained network with their batch normalisation folded in."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

BATCH_NORM_EPSILON = 1e-3
"""Of TensorFlow's networks, and therefore of their ports."""


class FoldedConvolutions:
    """The convolutions of a PyTorch state dictionary, each with the normalisation that follows.

    Always float32, whatever precision a model trains in.

    Args:
        weights: Tensors by name; kernels [out, in, height, width].
        normalisations: Name of each convolution to the name of its batch normalisation.
        stem: The convolution that sees the image. A grey image would stand in each of its three
            channels, so that their kernels can be added up.
    """

    def __init__(
        self, weights: dict[str, np.ndarray], normalisations: dict[str, str], *, stem: str
    ):
        self._folded = {
            name: _fold(weights, name, normalisation, grey=name == stem)
            for name, normalisation in normalisations.items()
        }

    def __call__(
        self,
        images: tf.Tensor,
        name: str,
        *,
        stride: int = 1,
        padding: str = "SAME",
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu,
    ) -> tf.Tensor:
        """Returns the activation of a convolution; one kernel a channel is a depthwise one."""
        kernel, bias = self._folded[name]
        strides = (1, stride, stride, 1)
        if kernel.shape[2] == 1 < images.shape[-1]:
            kernel = tf.transpose(kernel, (0, 1, 3, 2))
            images = tf.nn.depthwise_conv2d(images, kernel, strides, padding)
        else:
            images = tf.nn.conv2d(images, kernel, strides, padding)
        return activation(images + bias)


def _fold(
    weights: dict[str, np.ndarray], convolution: str, normalisation: str, *, grey: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns kernel float32 [height, width, in, out] and bias [out]."""
    kernel = weights[f"{convolution}.weight"].astype(np.float64)
    gamma, beta, mean, variance = (
        weights[f"{normalisation}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    if grey:
        kernel = kernel.sum(axis=1, keepdims=True)
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    kernel = kernel.transpose(2, 3, 1, 0) * scale
    return tf.constant(kernel, tf.float32), tf.constant(beta - mean * scale, tf.float32)
