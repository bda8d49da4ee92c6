"""The convolution of residual blocks, in the form that a CPU is fast at."""

import keras
import tensorflow as tf

WORTH_IT = 1024
"""Pixels from which another form of a convolution is faster than tracing it is slower."""


@keras.saving.register_keras_serializable("tfcyclegan")
class PaddedConv2D(keras.layers.Conv2D):
    """A convolution without bias of an image that is padded already: stride 1, padding "valid".

    The same numbers as `keras.layers.Conv2D`, up to rounding. On a CPU in float32 two of its three
    products are written in another form, because the kernels of oneDNN that TensorFlow 2.21 calls
    for them reach a third (one image) and a half (gradient of the weights) of the others' rate
    (docs/performance.md).

    Args:
        filters: Output channels.
        kernel_size: Height and width of the kernel.

    Input [N, H, W, C], output [N, H - k + 1, W - k + 1, filters].
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs):
        super().__init__(filters, kernel_size, **{**kwargs, "use_bias": False})

    def call(self, inputs):
        return convolved(inputs, tf.convert_to_tensor(self.kernel))


def convolved(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns what `PaddedConv2D` returns for images [N, H, W, C] and a kernel [k, l, C, F]."""
    if not _other_form(images):
        return tf.nn.conv2d(images, kernel, 1, "VALID")

    @tf.custom_gradient
    def in_other_form(images, kernel):
        return _in_halves(images, kernel), lambda upstream: gradients(images, kernel, upstream)

    return in_other_form(images, kernel)


def gradients(images: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """Returns the gradients of `convolved` by its images and by its kernel.

    Args:
        images: [N, H, W, C].
        kernel: [k, l, C, F].
        upstream: Gradient by the output, [N, H - k + 1, W - l + 1, F].
    """
    settings = {"out_backprop": upstream, "strides": [1, 1, 1, 1], "padding": "VALID"}
    of_images = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(images), filter=kernel, **settings
    )
    if _other_form(images):
        return of_images, _kernel_gradient(images, upstream, kernel.shape)
    return of_images, tf.raw_ops.Conv2DBackpropFilter(
        input=images, filter_sizes=tf.shape(kernel), **settings
    )


def _other_form(images: tf.Tensor) -> bool:
    if not images.shape.is_fully_defined() or images.dtype != tf.float32:
        return False
    large = images.shape[1] * images.shape[2] >= WORTH_IT
    return large and not tf.config.list_logical_devices("GPU")


def _in_halves(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolves one image as two, its upper and its lower half."""
    rows = images.shape[1] - kernel.shape[0] + 1
    if images.shape[0] > 1 or rows % 2:
        return tf.nn.conv2d(images, kernel, 1, "VALID")
    half = images.shape[1] - rows // 2
    halves = tf.concat([images[:, :half], images[:, rows // 2 :]], axis=0)
    return tf.reshape(
        tf.nn.conv2d(halves, kernel, 1, "VALID"),
        (1, rows, images.shape[2] - kernel.shape[1] + 1, kernel.shape[3]),
    )


def _kernel_gradient(images: tf.Tensor, upstream: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Returns, for each weight, the product of what it saw and what came of it."""
    parts = zip(tf.split(images, images.shape[0]), tf.split(upstream, images.shape[0]), strict=True)
    return tf.add_n([_kernel_gradient_of(image, part, shape) for image, part in parts])


def _kernel_gradient_of(image: tf.Tensor, upstream: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    rows, columns = upstream.shape[1:3]
    came = tf.reshape(upstream, (rows * columns, shape[3]))
    gradients = []
    for j in range(shape[1]):
        # One copy after the other, because TensorFlow would hold all of them at once.
        with tf.control_dependencies(gradients[-1:]):
            seen = tf.reshape(image[:, :, j : j + columns], (-1, shape[2]))
        # Whole rows are a part of the copy and need none of their own.
        gradients += [
            tf.matmul(seen[i * columns : (i + rows) * columns], came, transpose_a=True)
            for i in range(shape[0])
        ]
    return tf.transpose(
        tf.reshape(tf.stack(gradients), (shape[1], shape[0], *shape[2:])), (1, 0, 2, 3)
    )
