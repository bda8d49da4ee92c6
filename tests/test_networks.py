"""Networks against the published parameter counts, receptive field and initialiser."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan import networks

# Counts of the reference implementation (3 channels, biases everywhere), as its log prints them.
REFERENCE_GENERATOR_9 = 11_378_179
REFERENCE_DISCRIMINATOR = 2_764_737
TINY = {"upsampling": "transpose", "initializer": "he_normal", "seed": 1}


def test_generator_has_the_reference_parameters_less_redundant_biases_and_two_channels():
    model = networks.build_generator(filters=64, blocks=9, name="generator_ab", **TINY)
    redundant = 64 + 128 + 256 + 18 * 256 + 128 + 64  # biases that instance norm removes
    colour = 2 * 49 * 64 * 2 + 2
    assert model.count_params() == REFERENCE_GENERATOR_9 - redundant - colour


def test_discriminator_has_the_reference_parameters_less_redundant_biases_and_two_channels():
    model = networks.build_discriminator(filters=64, initializer="he_normal", seed=1, name="d")
    assert model.count_params() == REFERENCE_DISCRIMINATOR - (128 + 256 + 512) - 2 * 16 * 64


def test_discriminator_sees_patches_of_70_pixels():
    model = networks.build_discriminator(filters=2, initializer="he_normal", seed=1, name="d")
    # Instance norm sees everything; without it the receptive field is that of the convolutions.
    for layer in model.layers:
        if "normalization" in layer.name:
            layer.call = lambda inputs: inputs
    image = tf.Variable(np.random.default_rng(0).normal(size=(1, 256, 256, 1)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        score = model(image)[0, 15, 15, 0]
    rows = np.flatnonzero(np.abs(tape.gradient(score, image)[0, :, :, 0]).sum(axis=1))
    assert rows[-1] - rows[0] + 1 == 70


@pytest.mark.parametrize("upsampling", ["transpose", "resize_conv"])
@pytest.mark.parametrize("shape", [(32, 32), (64, 36)])
def test_generator_keeps_the_size_and_stays_in_model_range(upsampling, shape):
    model = networks.build_generator(
        filters=4, blocks=1, name="g", **{**TINY, "upsampling": upsampling}
    )
    image = np.random.default_rng(0).uniform(-1, 1, (2, *shape, 1)).astype("float32")
    made = model(image).numpy()
    assert made.shape == image.shape and made.dtype == np.float32
    assert np.abs(made).max() <= 1


def test_discriminator_of_256_pixels_scores_30_by_30_patches():
    model = networks.build_discriminator(filters=2, initializer="he_normal", seed=1, name="d")
    assert model(tf.zeros([1, 256, 256, 1])).shape == (1, 30, 30, 1)


@pytest.mark.parametrize(
    ("initializer", "expected"), [("he_normal", math.sqrt(2 / (9 * 256))), ("normal_0.02", 0.02)]
)
def test_initial_weights_have_the_papers_deviation(initializer, expected):
    model = networks.build_generator(
        filters=64, blocks=1, name="g", **{**TINY, "initializer": initializer}
    )
    kernels = [w for w in model.weights if tuple(w.shape) == (3, 3, 256, 256)]
    assert len(kernels) == 2
    for kernel in kernels:
        assert np.std(kernel) == pytest.approx(expected, rel=0.01)
    assert np.abs(kernels[0].numpy() - kernels[1].numpy()).max() > expected


def test_weights_depend_on_the_seed_alone():
    def first(seed):
        return networks.build_generator(
            filters=4, blocks=1, name="g", **{**TINY, "seed": seed}
        ).get_weights()[0]

    np.testing.assert_array_equal(first(1), first(1))
    assert np.abs(first(1) - first(2)).max() > 0.01


def test_unknown_choices_are_named():
    with pytest.raises(ValueError, match="upsampling: expected transpose or resize_conv"):
        networks.build_generator(filters=4, blocks=1, name="g", **{**TINY, "upsampling": "up"})
    with pytest.raises(ValueError, match="initializer: expected he_normal or normal_0.02"):
        networks.build_discriminator(filters=4, initializer="zeros", seed=1, name="d")
