"""The FID network: Inception of 2015-12-05, whose features alone make a Fréchet distance an FID.

Its graph differs from the Inception v3 of Keras and torchvision: the last block has a maximum where
theirs has a mean, the normalisation has a scale, and the weights are others.

Reference: Heusel et al. 2017, arXiv:1706.08500; the port in PyTorch that names its tensors is
torch-fidelity's, after pytorch-fid.
"""

import functools
import pathlib

import numpy as np
import tensorflow as tf

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.metrics.extractors.folded import FoldedConvolutions
from tfcyclegan.metrics.extractors.registry import FID_WEIGHTS_SHA256, extracted, register, required
from tfcyclegan.metrics.extractors.resize import RESIZERS
from tfcyclegan.metrics.extractors.weight_files import read_torch, sha256_of

SIDE = 299
FILE = "weights-inception-2015-12-05-6726825d.pth"
"""The file as torch-fidelity publishes it; pytorch-fid's pt_inception-….pth has the same bytes."""
_MEAN = functools.partial(tf.nn.avg_pool2d, ksize=3, strides=1, padding="SAME")
_MAX = functools.partial(tf.nn.max_pool2d, ksize=3, strides=1, padding="SAME")
_HALVE = functools.partial(tf.nn.max_pool2d, ksize=3, strides=2, padding="VALID")


class Inception2015:
    """Mean over the 8 x 8 map of the last block, from images on the grid of 8 bits.

    Args:
        weights: The state dictionary by torch-fidelity's names.
        sha256: Of the file that it came from.
        resize: Key of `RESIZERS`. `half_pixel` scales to [-1, 1] by 255, as pytorch-fid; the others
            as the graph, (x - 128) / 128.
    """

    name = "inception_2015"
    dimension = 2048

    def __init__(self, weights: dict[str, np.ndarray], sha256: str, resize: str):
        self.sha256, self.resize = sha256, resize
        ends = ".conv.weight"
        names = [key.removesuffix(ends) for key in weights if key.endswith(ends)]
        self._folded = FoldedConvolutions(
            weights, {f"{name}.conv": f"{name}.bn" for name in names}, stem="Conv2d_1a_3x3.conv"
        )
        self._classes = tf.constant(weights["fc.weight"].T, tf.float32)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 features [N, 2048] of unit-range images [N, H, W, 1]."""
        return extracted(self, images, self._features)

    def logits(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the logits [N, 1008] of features, without the bias, for `inception_score`."""
        return features @ self._classes

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        x = RESIZERS[self.resize](tf.round(images * 255.0), SIDE)
        x = x / 127.5 - 1.0 if self.resize == "half_pixel" else (x - 128.0) / 128.0
        x = self._convolve(x, "Conv2d_1a_3x3", stride=2, padding="VALID")
        x = self._convolve(x, "Conv2d_2a_3x3", padding="VALID")
        x = _HALVE(self._convolve(x, "Conv2d_2b_3x3"))
        x = self._convolve(x, "Conv2d_3b_1x1")
        x = _HALVE(self._convolve(x, "Conv2d_4a_3x3", padding="VALID"))
        for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._a(x, block)
        x = self._b(x, "Mixed_6a")
        for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._c(x, block)
        x = self._d(x, "Mixed_7a")
        x = self._e(x, "Mixed_7b", _MEAN)
        x = self._e(x, "Mixed_7c", _MAX)
        return tf.reduce_mean(x, axis=(1, 2))

    def _convolve(self, x: tf.Tensor, name: str, **options) -> tf.Tensor:
        return self._folded(x, f"{name}.conv", **options)

    def _chain(self, x: tf.Tensor, block: str, *names: str, halve: bool = False) -> tf.Tensor:
        """Applies the branch's convolutions in turn; the last may halve the size."""
        for name in names:
            options = {"stride": 2, "padding": "VALID"} if halve and name == names[-1] else {}
            x = self._convolve(x, f"{block}.branch{name}", **options)
        return x

    def _a(self, x: tf.Tensor, block: str) -> tf.Tensor:
        chain = functools.partial(self._chain, x, block)
        triple = chain("3x3dbl_1", "3x3dbl_2", "3x3dbl_3")
        pooled = self._chain(_MEAN(x), block, "_pool")
        return tf.concat([chain("1x1"), chain("5x5_1", "5x5_2"), triple, pooled], axis=3)

    def _b(self, x: tf.Tensor, block: str) -> tf.Tensor:
        chain = functools.partial(self._chain, x, block, halve=True)
        return tf.concat(
            [chain("3x3"), chain("3x3dbl_1", "3x3dbl_2", "3x3dbl_3"), _HALVE(x)], axis=3
        )

    def _c(self, x: tf.Tensor, block: str) -> tf.Tensor:
        chain = functools.partial(self._chain, x, block)
        twice = chain(*(f"7x7dbl_{i}" for i in range(1, 6)))
        pooled = self._chain(_MEAN(x), block, "_pool")
        return tf.concat([chain("1x1"), chain("7x7_1", "7x7_2", "7x7_3"), twice, pooled], axis=3)

    def _d(self, x: tf.Tensor, block: str) -> tf.Tensor:
        chain = functools.partial(self._chain, x, block, halve=True)
        seven = chain("7x7x3_1", "7x7x3_2", "7x7x3_3", "7x7x3_4")
        return tf.concat([chain("3x3_1", "3x3_2"), seven, _HALVE(x)], axis=3)

    def _e(self, x: tf.Tensor, block: str, pool) -> tf.Tensor:
        single = self._chain(x, block, "3x3_1")
        double = self._chain(x, block, "3x3dbl_1", "3x3dbl_2")
        halves = [
            self._chain(branch, block, f"{name}{half}")
            for branch, name in ((single, "3x3_2"), (double, "3x3dbl_3"))
            for half in "ab"
        ]
        pooled = self._chain(pool(x), block, "_pool")
        return tf.concat([self._chain(x, block, "1x1"), *halves, pooled], axis=3)


def _factory(resize: str):
    def make(weights: pathlib.Path | None) -> Inception2015:
        path = required(weights, FILE)
        sha256 = sha256_of(path)
        if sha256 not in FID_WEIGHTS_SHA256:
            raise UserError(
                f"A distance is an FID only over the weights of {FILE}, sha256"
                f" {' or '.join(sorted(FID_WEIGHTS_SHA256))}. Received: a file with {sha256}.",
                ExitCode.DAMAGED,
            )
        return Inception2015(read_torch(path), sha256, resize)

    return make


for _name, _resize in (("ttur", "ttur"), ("clean", "clean"), ("pytorch", "half_pixel")):
    register(f"fid_{_name}")(_factory(_resize))
