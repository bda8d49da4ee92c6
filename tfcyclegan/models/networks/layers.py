"""Layers that Keras does not have in the form CycleGAN needs."""

from collections.abc import Callable

import keras
import tensorflow as tf

INSTANCE_NORM_EPSILON = 1e-5
"""Added to the variance; small against the variance of any slice that ingestion lets through."""

FUSED_BATCH_LIMIT = 4
"""Up to this static batch size, one fused kernel per image is faster than separate moments."""


@keras.saving.register_keras_serializable("tfcyclegan")
class InstanceNormalization(keras.layers.Layer):
    """Normalises each channel of each image to mean 0 and variance 1, without learnt scale.

    Computed in float32 at least, under any precision policy. Equal to tensorflow-addons'
    `InstanceNormalization(center=False, scale=False)` and to
    `keras.layers.GroupNormalization(groups=-1)`.

    Args:
        epsilon: Added to the variance.

    Input and output: [N, H, W, C], compute dtype of the policy. A constant channel becomes 0.

    Reference:
        Ulyanov et al. (2016), https://arxiv.org/abs/1607.08022.
    """

    def __init__(self, epsilon: float = INSTANCE_NORM_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs):
        return instance_normalized(inputs, self.epsilon)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


def instance_normalized(images: tf.Tensor, epsilon: float = INSTANCE_NORM_EPSILON) -> tf.Tensor:
    """Returns what `InstanceNormalization` returns, for images [N, H, W, C] of any float dtype."""
    batch = images.shape[0]
    if batch is None or batch > FUSED_BATCH_LIMIT or images.dtype == tf.float64:
        return _by_moments(images, epsilon)
    parts = [images] if batch == 1 else tf.split(images, batch)
    normalized = [_fused(part, epsilon) for part in parts]
    return normalized[0] if batch == 1 else tf.concat(normalized, axis=0)


def _fused(image: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Instance norm of one image is batch norm of a batch of one, which has a fused kernel."""
    dtype = image.dtype
    if dtype == tf.float16:
        image = tf.cast(image, tf.float32)  # no float16 kernel on the CPU
    channels = image.shape[-1]
    normalized = tf.raw_ops.FusedBatchNormV3(
        x=image,
        scale=tf.ones([channels]),
        offset=tf.zeros([channels]),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    ).y
    return tf.cast(normalized, dtype)


def _by_moments(images: tf.Tensor, epsilon: float) -> tf.Tensor:
    values = images if images.dtype == tf.float64 else tf.cast(images, tf.float32)
    centred = values - _mean(values)
    variance = _mean(tf.square(centred))
    return tf.cast(centred * tf.math.rsqrt(variance + epsilon), images.dtype)


def _mean(images: tf.Tensor) -> tf.Tensor:
    """Returns the mean of each channel of each image, [N, 1, 1, C].

    Of rows first: one sum of all pixels would lose four digits where air is constant, because then
    every addition rounds the same way. A sum of means, because OpenVINO makes one of two means.
    """
    rows = tf.reduce_mean(images, axis=2, keepdims=True)
    count = tf.cast(tf.shape(images)[1], images.dtype)
    return tf.reduce_sum(rows, axis=1, keepdims=True) / count


@keras.saving.register_keras_serializable("tfcyclegan")
class ReflectionPadding(keras.layers.Layer):
    """Pads height and width by mirroring without repeating the border, [N, H, W, C].

    Args:
        padding: Pixels on each of the four sides; H and W must exceed it.
    """

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs):
        return reflection_padded(inputs, self.padding)

    def compute_output_shape(self, input_shape):
        return _resized(input_shape, lambda size: size + 2 * self.padding)

    def get_config(self) -> dict:
        return {**super().get_config(), "padding": self.padding}


def reflection_padded(images: tf.Tensor, padding: int) -> tf.Tensor:
    """Returns what `ReflectionPadding` returns."""
    border = [padding, padding]
    return tf.pad(images, [[0, 0], border, border, [0, 0]], mode="REFLECT")


@keras.saving.register_keras_serializable("tfcyclegan")
class PadToMultiple(keras.layers.Layer):
    """Pads height and width by reflection, below and right, to a multiple, [N, H, W, C].

    `CropLike` undoes it. Sizes that are multiples already go through unchanged.

    Args:
        multiple: Of what H and W become multiples; both must exceed half of it.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs):
        height, width = _height_and_width(inputs)
        below, right = -height % self.multiple, -width % self.multiple
        if isinstance(below, int) and isinstance(right, int) and below == right == 0:
            return inputs
        return tf.pad(inputs, [[0, 0], [0, below], [0, right], [0, 0]], mode="REFLECT")

    def compute_output_shape(self, input_shape):
        return _resized(input_shape, lambda size: size + -size % self.multiple)

    def get_config(self) -> dict:
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("tfcyclegan")
class CropLike(keras.layers.Layer):
    """Cuts images [N, h, w, C] to height and width of others [N, H, W, c], from the top left."""

    def call(self, inputs):
        images, like = inputs
        height, width = _height_and_width(like)
        return images[:, :height, :width]

    def compute_output_shape(self, input_shapes):
        images, like = input_shapes
        return (images[0], *like[1:3], images[3])


@keras.saving.register_keras_serializable("tfcyclegan")
class BilinearDoubling(keras.layers.Layer):
    """Doubles height and width, [N, H, W, C], bilinear with half-pixel centres.

    Equal to `keras.layers.UpSampling2D(2, interpolation="bilinear")`, which fails in a graph where
    H and W are not known, as in an exported model, because it checks its size (Keras 3.15).
    """

    def call(self, inputs):
        height, width = _height_and_width(inputs)
        return tf.cast(tf.image.resize(inputs, (2 * height, 2 * width)), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return _resized(input_shape, lambda size: 2 * size)


@keras.saving.register_keras_serializable("tfcyclegan")
class ToneCurves(keras.layers.Layer):
    """Applies to each pixel the curve that it has, ([N, H, W, K], [N, H, W, 1]) to [N, H, W, 1].

    A curve is piecewise linear; its K heights stand at equal steps from -1 to 1 of the image, whose
    values lie there. Curves that vary slowly keep every edge of the image where it is.

    Reference:
        Gharbi et al. (2017), https://doi.org/10.1145/3072959.3073592: what the bilateral grid and
        its guide are there, with one coefficient a cell.
    """

    def call(self, inputs):
        heights, images = inputs
        count = heights.shape[-1]
        knots = tf.linspace(tf.constant(-1.0, images.dtype), 1.0, count)
        hats = tf.nn.relu(1.0 - tf.abs(images - knots) * ((count - 1) / 2.0))
        return tf.reduce_sum(heights * tf.cast(hats, heights.dtype), axis=-1, keepdims=True)

    def compute_output_shape(self, input_shapes):
        return input_shapes[1]


@keras.saving.register_keras_serializable("tfcyclegan")
class Coordinates(keras.layers.Layer):
    """Appends where each pixel is: its row and its column, [N, H, W, C] to [N, H, W, C + 2].

    Of the centres of pixels, from -1 (the upper or left edge of the image) to 1, so that a place
    has the same coordinates at every size.

    Reference:
        Liu et al. (2018), https://arxiv.org/abs/1807.03247.
    """

    def call(self, inputs):
        height, width = _height_and_width(inputs)
        plane = tf.zeros_like(inputs[..., :1])
        rows = plane + _centres(height, plane.dtype)[:, tf.newaxis, tf.newaxis]
        columns = plane + _centres(width, plane.dtype)[:, tf.newaxis]
        return tf.concat([inputs, rows, columns], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], input_shape[3] + 2)


def _centres(count: int | tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the centres of `count` equal parts of the interval from -1 to 1."""
    count = tf.cast(count, tf.float32)
    return tf.cast((2.0 * tf.range(count) + 1.0) / count - 1.0, dtype)


def _height_and_width(images: tf.Tensor) -> tuple:
    """Numbers where they are known while the graph is built, else scalar tensors."""
    shape = tf.shape(images)
    return tuple(images.shape[i] if images.shape[i] is not None else shape[i] for i in (1, 2))


def _resized(shape: tuple, change: Callable[[int], int]) -> tuple:
    """Returns a shape [N, H, W, C] with H and W changed where they are known."""
    batch, *sizes, channels = shape
    return (batch, *(None if size is None else change(size) for size in sizes), channels)
