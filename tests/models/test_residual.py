"""The residual block against the layers that it stands for, and how little it keeps and traces."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.networks.layers import InstanceNormalization, ReflectionPadding
from tfcyclegan.models.networks.residual import ResidualBlock

CHANNELS = 5


def layer_by_layer(block: ResidualBlock, images: tf.Tensor) -> tf.Tensor:
    """Zhu et al. (2017), section 7.2, from Keras' convolutions."""
    made = images
    for last, kernel in enumerate(block.weights):
        made = ReflectionPadding(1)(made)
        made = keras.ops.conv(made, kernel, padding="valid")
        made = InstanceNormalization()(made)
        made = made if last else tf.nn.relu(made)
    return images + made


def with_gradients(function, block, images) -> list:
    """Output, and gradients of a sum in which every output counts otherwise."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = function(images)
        ramp = tf.reshape(tf.range(tf.size(output), dtype=tf.float32), output.shape)
        total = tf.reduce_sum(tf.cast(output, tf.float32) * tf.sin(ramp))
    return [output, *tape.gradient(total, [images, *(kernel.value for kernel in block.weights)])]


def built_block(dtype=None, seed: int = 0) -> ResidualBlock:
    initializers = [keras.initializers.HeNormal(seed=seed + i) for i in (1, 2)]
    block = ResidualBlock(CHANNELS, initializers, dtype=dtype)
    block.build((None, None, None, CHANNELS))
    return block


# 32 x 32 positions and more take the other form of the convolution.
@pytest.mark.parametrize("shape", [(1, 34, 32), (2, 34, 32), (2, 8, 6), (5, 8, 6)])
def test_block_equals_its_layers_eager_and_in_a_graph(shape):
    block, images = built_block(), tf.random.stateless_normal((*shape, CHANNELS), [1, 2])
    wanted = with_gradients(lambda x: layer_by_layer(block, x), block, images)
    traced = tf.function(lambda x: with_gradients(block, block, x))
    for made in (with_gradients(block, block, images), traced(images)):
        for x, y in zip(made, wanted, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-4 * np.abs(y).max())


def test_sizes_that_are_not_known_give_the_same_and_need_no_custom_gradient():
    block, images = built_block(), tf.random.stateless_normal((2, 9, 8, CHANNELS), [1, 2])
    traced = tf.function(block).get_concrete_function(tf.TensorSpec([None, None, None, CHANNELS]))
    np.testing.assert_allclose(traced(images), block(images), atol=1e-5)
    types = {op.type for op in traced.graph.get_operations()}
    assert not types & {"PartitionedCall", "IdentityN"}, "an exported model would hold these"


@pytest.mark.parametrize(("dtype", "tolerance"), [("mixed_bfloat16", 0.1), ("mixed_float16", 0.02)])
def test_half_precision_computes_as_float32_does_within_its_digits(dtype, tolerance):
    block, images = built_block(dtype), tf.random.stateless_normal((2, 8, 8, CHANNELS), [1, 2])
    wanted = with_gradients(lambda x: layer_by_layer(block, x), block, images)
    made = with_gradients(block, block, images)
    assert made[0].dtype.name == dtype.removeprefix("mixed_")
    for x, y in zip(made, wanted, strict=True):
        x, y = (tf.cast(tensor, tf.float32).numpy() for tensor in (x, y))
        # Not the largest: a rectifier's input within rounding of 0 turns a gradient on or off.
        assert np.linalg.norm(x - y) < tolerance * np.linalg.norm(y)


def test_blocks_of_one_shape_share_two_functions_and_keep_three_tensors():
    blocks = [built_block(), built_block()]

    @tf.function
    def run(images):
        with tf.GradientTape() as tape:
            output = blocks[1](blocks[0](images))
        return tape.gradient(output, [block.kernel_0.value for block in blocks])

    graph = run.get_concrete_function(tf.zeros((1, 8, 8, CHANNELS))).graph
    calls = [op for op in graph.get_operations() if op.type == "PartitionedCall"]
    assert len(calls) == 4 and len({op.get_attr("f").name for op in calls}) == 2
    images = [x for x in calls[-1].inputs if x.shape == (1, 8, 8, CHANNELS)]
    assert len(images) == 3 + 1  # and the gradient by the output


def test_block_survives_its_configuration():
    initializers = [keras.initializers.HeNormal(seed=i) for i in (1, 2)]
    block = ResidualBlock(4, initializers, name="r")
    again = keras.layers.deserialize(keras.layers.serialize(block))
    assert isinstance(again, ResidualBlock) and again.get_config() == block.get_config()
    for layer in (block, again):
        layer.build((1, 8, 8, 4))
    for x, y in zip(block.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    assert np.abs(block.get_weights()[0] - block.get_weights()[1]).max() > 0.1


def test_a_checkpoint_holds_both_kernels(tmp_path):
    block, again = built_block(), built_block(seed=5)
    path = tf.train.Checkpoint(block=block).write(str(tmp_path / "block"))
    tf.train.Checkpoint(block=again).read(path).assert_consumed()
    for x, y in zip(block.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
