"""The residual block of the generator, in the form that needs little memory and tracing."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfcyclegan.models.networks.convolution import convolved, gradients
from tfcyclegan.models.networks.layers import instance_normalized, reflection_padded

KERNEL = 3

ONE_FUNCTION = {"autograph": False, "experimental_attributes": {"_noinline": True}}
"""For tf.function: TensorFlow is not to put a copy of it wherever it is called."""


@keras.saving.register_keras_serializable("tfcyclegan")
class ResidualBlock(keras.layers.Layer):
    """Rk of Zhu et al. (2017), section 7.2: the input plus what two 3x3 convolutions make of it.

    Each convolution follows reflection padding and is followed by instance normalisation; between
    the two is a ReLU. The same numbers as these layers one by one.

    Where the shape of the input is known, the gradient keeps the input and the outputs of the
    convolutions, and computes the cheap rest again: 3 tensors of the input's size, not 5. All
    blocks of a shape are then one pair of functions, which TensorFlow traces and optimises once.

    Args:
        filters: Channels of the input and the output.
        kernel_initializers: Initializers of the two kernels.

    Input and output: [N, H, W, filters].
    """

    def __init__(self, filters: int, kernel_initializers: tuple = ("he_normal",) * 2, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_initializers = [keras.initializers.get(i) for i in kernel_initializers]

    def build(self, input_shape):
        shape = (KERNEL, KERNEL, self.filters, self.filters)
        first, second = self.kernel_initializers
        # Attributes of their own, because TensorFlow's checkpoints do not look into Keras' lists.
        self.kernel_0 = self.add_weight(shape=shape, initializer=first, name="kernel_0")
        self.kernel_1 = self.add_weight(shape=shape, initializer=second, name="kernel_1")

    def call(self, inputs):
        kernels = [tf.convert_to_tensor(kernel) for kernel in (self.kernel_0, self.kernel_1)]
        if inputs.shape.is_fully_defined():
            return _residual(inputs, *kernels)
        return _forward.python_function(inputs, *kernels)[0]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        initializers = [keras.initializers.serialize(i) for i in self.kernel_initializers]
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_initializers": initializers,
        }


def _opening(images: tf.Tensor) -> tf.Tensor:
    return reflection_padded(images, KERNEL // 2)


def _middle(images: tf.Tensor) -> tf.Tensor:
    return _opening(tf.nn.relu(instance_normalized(images)))


@tf.custom_gradient
def _residual(images: tf.Tensor, kernel_0: tf.Tensor, kernel_1: tf.Tensor):
    output, *made = _forward(images, kernel_0, kernel_1)
    return output, lambda upstream: _backward(images, *made, kernel_0, kernel_1, upstream)


@tf.function(**ONE_FUNCTION)
def _forward(images, kernel_0, kernel_1) -> tuple:
    """Returns the block's output and those of its two convolutions."""
    made_0 = convolved(_opening(images), kernel_0)
    made_1 = convolved(_middle(made_0), kernel_1)
    return images + instance_normalized(made_1), made_0, made_1


@tf.function(**ONE_FUNCTION)
def _backward(images, made_0, made_1, kernel_0, kernel_1, upstream) -> tuple:
    """Returns the gradients by the images and the kernels from that by the block's output."""
    _, through = _again(instance_normalized, made_1)
    of_made_1 = through(upstream)
    seen, through = _again(_middle, made_0)
    of_seen, of_kernel_1 = gradients(seen, kernel_1, of_made_1)
    of_made_0 = through(of_seen)
    seen, through = _again(_opening, images)
    of_seen, of_kernel_0 = gradients(seen, kernel_0, of_made_0)
    return upstream + through(of_seen), of_kernel_0, of_kernel_1


def _again(function: Callable, images: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns function(images), and the function from the gradient by it to that by the images."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = function(images)
    return output, lambda upstream: tape.gradient(output, images, upstream)
