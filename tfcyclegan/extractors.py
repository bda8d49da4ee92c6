"""Feature extractors for distribution metrics, and the names their distances may bear.

An extractor is any object with the attributes of `Extractor`. `register` adds one under its name,
`make_extractor` builds it. None is blessed: an ImageNet network ranks MR images consistently with
readers (Woodland et al. 2024, arXiv:2311.13717), a random network needs no weights at all (Naeem et
al. 2020, arXiv:2002.09797).
"""

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfcyclegan.metrics.image_pairs import nan_out_of_range

FID_WEIGHTS_SHA256 = frozenset({"6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"})
"""Files of the 2015-12-05 Inception weights, as pytorch-fid and torch-fidelity publish them."""


class Extractor(Protocol):
    """Turns images into features.

    Attributes:
        name: Lower-case name of the network and its weights.
        resize: How images are brought to the network's size: `clean`, `ttur`, `pytorch`; None when
            they are taken as they are.
        sha256: Of the weights: of their file, or of their float32 little-endian bytes.
        dimension: Length d of a feature.
    """

    name: str
    resize: str | None
    sha256: str
    dimension: int

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Maps unit-range grey images [N, H, W, 1] to float32 features [N, d], eager or in a graph.

        Images outside unit range have NaN features, which the distances refuse.
        """


def frechet_name(extractor: Extractor) -> str:
    """Returns the name of the Fréchet distance over `extractor`: FID only for the FID network.

    Inception weights of Keras or torchvision are other weights, their distance is not an FID.
    """
    kind = "fid" if extractor.sha256 in FID_WEIGHTS_SHA256 else f"fd_{extractor.name}"
    return kind if extractor.resize is None else f"{kind}_{extractor.resize}"


_FACTORIES: dict[str, Callable[[], Extractor]] = {}


def register(name: str) -> Callable[[Callable[[], Extractor]], Callable[[], Extractor]]:
    """Returns a decorator that makes a class or function without arguments known as `name`.

    Raises:
        ValueError: The name is taken.
    """

    def add(factory: Callable[[], Extractor]) -> Callable[[], Extractor]:
        if name in _FACTORIES:
            raise ValueError(f"An extractor expected a name of its own. Received: {name!r} again.")
        _FACTORIES[name] = factory
        return factory

    return add


def extractor_names() -> tuple[str, ...]:
    """Returns the names that `make_extractor` knows."""
    return tuple(sorted(_FACTORIES))


def make_extractor(name: str) -> Extractor:
    """Returns a new extractor.

    Raises:
        ValueError: No extractor of that name is registered.
    """
    if name not in _FACTORIES:
        raise ValueError(
            f"An extractor expected one of {', '.join(extractor_names())}. Received: {name!r}."
        )
    return _FACTORIES[name]()


# Kernel side, output channels; every layer has stride 2.
_RANDCONV_LAYERS = ((7, 16), (3, 24), (3, 32), (3, 48))
_RANDCONV_SEED = 20230717
_RANDCONV_SHA256 = "3464afa1a19d68dd866df8f4cb1102d55137448c38a128110ab53470eba8d6a4"
_RANDCONV_SMALLEST_SIDE = 32
_VARIANCE_FLOOR = 1e-12
"""Keeps the square root of a constant channel's variance away from rounding below zero."""


@register("randconv_v1")
class RandConv:
    """Four strided convolutions with fixed random weights; mean and deviation at every scale.

    Needs no weight file, so that tests and hospitals without network have a distance. It reacts to
    contrast, texture and noise; it knows nothing of anatomy, and its numbers compare with nothing
    but themselves. GPUs that convolve in TensorFloat-32 round to 10 bits: compare distances from
    one kind of device only, or switch that mode off.
    """

    name = "randconv_v1"
    resize = None
    dimension = 2 * sum(channels for _, channels in _RANDCONV_LAYERS)

    def __init__(self):
        self._layers = _randconv_weights()
        self.sha256 = _weights_sha256(self._layers)
        if self.sha256 != _RANDCONV_SHA256:
            raise RuntimeError(
                f"The weights of {self.name} expected sha256 {_RANDCONV_SHA256}. Received:"
                f" {self.sha256}; NumPy's Philox generator differs here, do not compare distances."
            )

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 features [N, 240] of unit-range images [N, H, W, 1], H and W >= 32.

        Raises:
            ValueError: The images are not [N, H, W, 1] or too small, as far as the shape is known.
        """
        images = tf.cast(images, tf.float32)
        _check_shape(images.shape)
        # tf.nn.conv2d answers a wrong shape to an empty batch, which an idle replica gets.
        return tf.cond(
            tf.shape(images)[0] > 0,
            lambda: nan_out_of_range(self._features(images), images, data_range=1.0),
            lambda: tf.zeros((0, self.dimension)),
        )

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        activations, pooled = images, []
        for kernel, bias in self._layers:
            activations = tf.nn.conv2d(activations, kernel, strides=2, padding="SAME")
            activations = tf.nn.relu(activations + bias)
            mean, variance = tf.nn.moments(activations, axes=(1, 2))
            pooled += [mean, tf.sqrt(variance + _VARIANCE_FLOOR)]
        return tf.concat(pooled, axis=1)


@functools.cache
def _randconv_weights() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Returns float32 (kernel [k, k, in, out], bias [out]) of each layer.

    Kernels are uniform with the variance 2 / fan_in of He et al. 2015, equation 10,
    arXiv:1502.01852; biases in [-0.1, 0.1] make the answer to contrast non-linear.
    Only raw bits of the generator are used: NumPy promises those, not its distributions, to stay.
    """
    bits = np.random.Philox(_RANDCONV_SEED)

    def uniform(shape: tuple[int, ...], bound: float) -> np.ndarray:
        # 53 bits make the double in [0, 1) that every float64 can hold exactly.
        raw = bits.random_raw(math.prod(shape)) >> np.uint64(11)
        return ((2.0 * 2.0**-53 * raw - 1.0) * bound).reshape(shape)

    layers, incoming = [], 1
    for side, channels in _RANDCONV_LAYERS:
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


def _check_shape(shape: tf.TensorShape) -> None:
    if shape.rank != 4 or shape[-1] not in (1, None):
        raise ValueError(f"Extractors expected grey images [N, H, W, 1]. Received: {shape}.")
    if any(side is not None and side < _RANDCONV_SMALLEST_SIDE for side in shape[1:3]):
        raise ValueError(
            f"Extractor randconv_v1 expected sides of at least {_RANDCONV_SMALLEST_SIDE} pixels."
            f" Received: {shape}; enlarge the images first."
        )
