"""`randconv_v1`: four convolutions with fixed random weights, where no others are to be had."""

import functools
import hashlib
import math
import pathlib

import numpy as np
import tensorflow as tf

from tfcyclegan.errors import UserError
from tfcyclegan.metrics.extractors.registry import extracted, register

# Kernel side, output channels; every layer has stride 2.
_LAYERS = ((7, 16), (3, 24), (3, 32), (3, 48))
_SEED = 20230717
_SHA256 = "3464afa1a19d68dd866df8f4cb1102d55137448c38a128110ab53470eba8d6a4"
_SMALLEST_SIDE = 32
_VARIANCE_FLOOR = 1e-12
"""Keeps the square root of a constant channel's variance away from rounding below zero."""


class RandConv:
    """Four strided convolutions with fixed random weights; mean and deviation at every scale.

    Needs no weight file, so that tests and hospitals without network have a distance. It reacts to
    contrast, texture and noise; it knows nothing of anatomy, and its numbers compare with nothing
    but themselves. GPUs that convolve in TensorFloat-32 round to 10 bits: compare distances from
    one kind of device only, or switch that mode off.
    """

    name = "randconv_v1"
    resize = None
    dimension = 2 * sum(channels for _, channels in _LAYERS)

    def __init__(self):
        self.sha256 = _weights_sha256(fixed_weights())
        if self.sha256 != _SHA256:
            raise RuntimeError(
                f"The weights of {self.name} expected sha256 {_SHA256}. Received:"
                f" {self.sha256}; NumPy's Philox generator differs here, do not compare distances."
            )

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 features [N, 240] of unit-range images [N, H, W, 1], H and W >= 32.

        Raises:
            ValueError: The images are not [N, H, W, 1] or too small, as far as the shape is known.
        """
        return extracted(self, images, self._features, smallest_side=_SMALLEST_SIDE)

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        pooled = []
        for activations in random_maps(images):
            mean, variance = tf.nn.moments(activations, axes=(1, 2))
            pooled += [mean, tf.sqrt(variance + _VARIANCE_FLOOR)]
        return tf.concat(pooled, axis=1)


def random_maps(images: tf.Tensor) -> list[tf.Tensor]:
    """Returns what each layer makes of images [N, H, W, 1] in unit range, [N, h, w, d]."""
    maps = []
    for kernel, bias in fixed_weights():
        images = tf.nn.relu(tf.nn.conv2d(images, kernel, strides=2, padding="SAME") + bias)
        maps.append(images)
    return maps


@functools.cache
def fixed_weights() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Returns float32 (kernel [k, k, in, out], bias [out]) of each layer.

    Kernels are uniform with the variance 2 / fan_in of He et al. 2015, equation 10,
    arXiv:1502.01852; biases in [-0.1, 0.1] make the answer to contrast non-linear.
    Only raw bits of the generator are used: NumPy promises those, not its distributions, to stay.
    """
    bits = np.random.Philox(_SEED)

    def uniform(shape: tuple[int, ...], bound: float) -> np.ndarray:
        # 53 bits make the double in [0, 1) that every float64 can hold exactly.
        raw = bits.random_raw(math.prod(shape)) >> np.uint64(11)
        return ((2.0 * 2.0**-53 * raw - 1.0) * bound).reshape(shape)

    layers, incoming = [], 1
    for side, channels in _LAYERS:
        bound = math.sqrt(6.0 / (side * side * incoming))
        kernel, bias = uniform((side, side, incoming, channels), bound), uniform((channels,), 0.1)
        if incoming == 1:
            _remove_means(kernel)
        layers.append((kernel.astype("<f4"), bias.astype("<f4")))
        incoming = channels
    return tuple(layers)


def _remove_means(kernel: np.ndarray) -> None:
    """Makes every second filter of [k, k, 1, out] blind to the level, in place.

    Images are not negative, so that the level would drown texture in all of them.
    """
    for channel in range(0, kernel.shape[-1], 2):
        # fsum rounds once: a sum in another order would be other weights.
        kernel[..., channel] -= math.fsum(kernel[..., channel].flat) / kernel[..., channel].size


def _weights_sha256(layers: tuple[tuple[np.ndarray, np.ndarray], ...]) -> str:
    return hashlib.sha256(
        b"".join(array.tobytes() for pair in layers for array in pair)
    ).hexdigest()


@register("randconv_v1")
def make(weights: pathlib.Path | None) -> RandConv:
    """Returns the extractor.

    Raises:
        UserError: A weight file was named.
    """
    if weights is not None:
        raise UserError(
            "--extractor=randconv_v1 makes its own weights. Leave its file out, or choose the"
            " --extractor that the file belongs to."
        )
    return RandConv()
