"""Networks that nobody trains, whose hidden layers are compared: random ones, and a user's VGG."""

import functools
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.metrics.extractors.randconv import RandConv, fixed_weights, random_maps
from tfcyclegan.metrics.extractors.weight_files import read_torch, sha256_of

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VGG = {
    "vgg16": (64, 64, "pool", 128, 128),
    "vgg19": (
        *(64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool"),
        *(512, 512, 512, 512, "pool", 512),
    ),
}
"""Filters of the convolutions up to the last layer that is compared, and where sizes are halved
(Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, columns D and E)."""
VGG_TAPS = {"vgg16": (3,), "vgg19": (0, 2, 4, 8, 12)}
"""Convolutions that are compared: relu2_2, and the first of each size."""


class RandomNetwork:
    """Four convolutions of fixed random weights, those of `metrics.extractors.randconv`."""

    name = RandConv.name
    layers = len(fixed_weights())
    maps = staticmethod(random_maps)

    @property
    def sha256(self) -> str:
        """Of the weights."""
        return RandConv().sha256


class VGGNetwork:
    """The first layers of a VGG that a user has in a file of torchvision.

    The file is read when it is needed: who uses a trained model need not have it.

    Args:
        path: The `.pth` file.
        kind: "vgg16" or "vgg19".
    """

    def __init__(self, path: pathlib.Path, kind: str):
        self.path, self.name = path, kind
        self.layers = len(VGG_TAPS[kind])

    @functools.cached_property
    def sha256(self) -> str:
        """Of the file.

        Raises:
            UserError: It cannot be read, or is of another network.
        """
        found = sha256_of(self.path, "--vgg must name a readable file")
        _ = self.convolutions
        return found

    @functools.cached_property
    def convolutions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Kernel [3, 3, in, out] and bias of each convolution of torchvision's `features`.

        Raises:
            UserError: The file cannot be read, or is of another network.
        """
        tensors = read_torch(self.path)
        layers, number, incoming = [], 0, 3
        for filters in VGG[self.name]:
            if filters == "pool":
                number += 1
                continue
            kernel = tensors.get(f"features.{number}.weight", np.zeros(0))
            bias = tensors.get(f"features.{number}.bias", np.zeros(0))
            if kernel.shape != (filters, incoming, 3, 3) or bias.shape != (filters,):
                raise UserError(
                    f"--vgg must be a file of torchvision's {self.name}, whose"
                    f" features.{number}.weight is {(filters, incoming, 3, 3)}. Received:"
                    f" {kernel.shape}.",
                    ExitCode.DAMAGED,
                )
            layers.append((kernel.transpose(2, 3, 1, 0).astype("<f4"), bias.astype("<f4")))
            number, incoming = number + 2, filters  # a ReLU has a number of its own
        return layers

    def maps(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Returns what the layers that are compared make of images [N, H, W, 1] in unit range."""
        x = (tf.repeat(images, 3, axis=-1) - IMAGENET_MEAN) / IMAGENET_DEVIATION
        maps, convolutions = [], iter(self.convolutions)
        for filters in VGG[self.name]:
            if filters == "pool":
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
                continue
            kernel, bias = next(convolutions)
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
            maps.append(x)
        return [maps[tap] for tap in VGG_TAPS[self.name]]


def feature_network(path: str, vgg: str) -> RandomNetwork | VGGNetwork:
    """Returns the VGG, "vgg16" or "vgg19", of a user's file, or the random one for no path."""
    return VGGNetwork(pathlib.Path(path), vgg) if path else RandomNetwork()


class FixedFeatures(keras.layers.Layer):
    """Maps of images in model range, float32 whatever a model trains in.

    Weights of losses were made for the scale of VGG's features. Those of random ones are divided,
    layer by layer, by their standard deviation over real slices (`measure`). That is the one thing
    that a checkpoint holds of this layer.

    Args:
        network: What makes the maps.
    """

    def __init__(self, network: RandomNetwork | VGGNetwork, **kwargs):
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.network = network
        self.scale = self.add_weight(
            shape=(network.layers,), initializer="ones", trainable=False, name="scale"
        )
        self.built = True

    def call(self, inputs):
        maps = self.network.maps((tf.cast(inputs, tf.float32) + 1.0) / 2.0)
        scales = tf.unstack(tf.convert_to_tensor(self.scale))
        return [x / scale for x, scale in zip(maps, scales, strict=True)]

    def measure(self, images: np.ndarray) -> None:
        """Sets the scale of random features by real slices [N, H, W, 1] in unit range."""
        if isinstance(self.network, VGGNetwork):
            return
        maps = self.network.maps(tf.constant(images, tf.float32))
        self.scale.assign([float(tf.math.reduce_std(x)) for x in maps])

    def described(self) -> dict:
        """Returns what run.json says of it: the network, its weights, and the scale of each map."""
        scale = [float(value) for value in keras.ops.convert_to_numpy(self.scale)]
        return {"network": self.network.name, "sha256": self.network.sha256, "scale": scale}
