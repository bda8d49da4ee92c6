"""What an extractor is, the names its distances may bear, and how to get one."""

import functools
import pathlib
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from tfcyclegan.errors import UserError
from tfcyclegan.metrics.image_pairs import nan_out_of_range

FID_WEIGHTS_SHA256 = frozenset({"6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"})
"""Files of the 2015-12-05 Inception weights, as pytorch-fid and torch-fidelity publish them."""
_FID_RESIZES = {"half_pixel": "pytorch"}
"""Resizes that the literature knows under the name of a program."""


class Extractor(Protocol):
    """Turns images into features.

    Attributes:
        name: Lower-case name of the network and its weights.
        resize: How images are brought to the network's size, a key of `resize.RESIZERS`; None when
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


Factory = Callable[[pathlib.Path | None], Extractor]
"""Builds an extractor from the weight file that the user named, None if none was named."""


def frechet_name(extractor: Extractor) -> str:
    """Returns the name of the Fréchet distance over `extractor`: FID only for the FID network.

    Inception weights of Keras or torchvision are other weights, their distance is not an FID.
    """
    if extractor.sha256 in FID_WEIGHTS_SHA256:
        return f"fid_{_FID_RESIZES.get(extractor.resize, extractor.resize)}"
    kind = f"fd_{extractor.name}"
    return kind if extractor.resize is None else f"{kind}_{extractor.resize}"


_FACTORIES: dict[str, Factory] = {}


def register(name: str) -> Callable[[Factory], Factory]:
    """Returns a decorator that makes a function of a weight file known as `name`.

    Raises:
        ValueError: The name is taken.
    """

    def add(factory: Factory) -> Factory:
        if name in _FACTORIES:
            raise ValueError(f"An extractor expected a name of its own. Received: {name!r} again.")
        _FACTORIES[name] = factory
        return factory

    return add


def extractor_names() -> tuple[str, ...]:
    """Returns the names that `make_extractor` knows."""
    return tuple(sorted(_FACTORIES))


def make_extractor(name: str, weights: str | pathlib.Path | None = None) -> Extractor:
    """Returns a new extractor.

    Args:
        name: One of `extractor_names()`: the distance's name, without `fd_`.
        weights: The user's weight file; nothing is ever downloaded. None or "" for extractors that
            bring their own.

    Raises:
        ValueError: No extractor of that name is registered.
        UserError: The weights are missing, unreadable, or not those of the name.
    """
    if name not in _FACTORIES:
        raise ValueError(
            f"An extractor expected one of {', '.join(extractor_names())}. Received: {name!r}."
        )
    return _FACTORIES[name](pathlib.Path(weights) if weights else None)


def required(weights: pathlib.Path | None, what: str) -> pathlib.Path:
    """Returns `weights`.

    Raises:
        UserError: None was named.
    """
    if weights is None:
        raise UserError(
            f"This --extractor needs its weights, {what}, after a colon: nothing is downloaded."
            " Received none; randconv_v1 needs no file."
        )
    return weights


def extracted(
    extractor: Extractor,
    images: tf.Tensor,
    compute: Callable[[tf.Tensor], tf.Tensor],
    *,
    smallest_side: int = 1,
) -> tf.Tensor:
    """Returns `compute(images)` [N, d] with the promises that every extractor makes.

    Images are checked as far as their shape is known, images outside unit range have NaN features,
    and an empty batch, which an idle replica gets, has features [0, d].

    Raises:
        ValueError: The images are not [N, H, W, 1] or smaller than `smallest_side`.
    """
    images = tf.cast(images, tf.float32)
    _check_shape(extractor.name, images.shape, smallest_side)
    # tf.nn.conv2d answers a wrong shape to an empty batch.
    return tf.cond(
        tf.shape(images)[0] > 0,
        lambda: nan_out_of_range(compute(images), images, data_range=1.0),
        functools.partial(tf.zeros, (0, extractor.dimension)),
    )


def _check_shape(name: str, shape: tf.TensorShape, smallest_side: int) -> None:
    if shape.rank != 4 or shape[-1] not in (1, None):
        raise ValueError(f"Extractors expected grey images [N, H, W, 1]. Received: {shape}.")
    if any(side is not None and side < smallest_side for side in shape[1:3]):
        raise ValueError(
            f"Extractor {name} expected sides of at least {smallest_side} pixels."
            f" Received: {shape}; enlarge the images first."
        )
