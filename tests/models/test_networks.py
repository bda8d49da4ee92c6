"""Networks against the published parameter counts, receptive field and initialiser."""

import math

import numpy as np
import pytest
import tensorflow as tf
from places import DOCS
from scipy import ndimage

from tfcyclegan.models.networks import discriminators, generators
from tfcyclegan.models.networks.layers import INSTANCE_NORM_EPSILON, ToneCurves

# Counts of the reference implementation (3 channels, biases everywhere), as its log prints them.
REFERENCE_GENERATOR_9 = 11_378_179
REFERENCE_DISCRIMINATOR = 2_764_737
MULTIPLES = {"resnet": 4, "resnet_resize": 4, "unet": 32, "unet_small": 16}
"""Kind of a generator to what its inner height and width are multiples of."""
TINY = {"initializer": "he_normal", "seed": 1}


def test_generator_has_the_reference_parameters_less_redundant_biases_and_two_channels():
    model = generators.build_generator(filters=64, blocks=9, name="generator_ab", **TINY)
    redundant = 64 + 128 + 256 + 18 * 256 + 128 + 64  # biases that instance norm removes
    colour = 2 * 49 * 64 * 2 + 2
    assert model.count_params() == REFERENCE_GENERATOR_9 - redundant - colour


def test_discriminator_has_the_reference_parameters_less_redundant_biases_and_two_channels():
    model = discriminators.build_discriminator(
        filters=64, initializer="he_normal", seed=1, name="d"
    )
    assert model.count_params() == REFERENCE_DISCRIMINATOR - (128 + 256 + 512) - 2 * 16 * 64


def test_the_page_about_the_model_gives_these_counts_and_this_epsilon():
    page = (DOCS / "model.md").read_text()
    settings = {"filters": 64, **TINY}
    models = [
        generators.build_generator(**settings, blocks=9, name="g"),
        generators.build_generator(**settings, blocks=9, name="g", kind="unet"),
        discriminators.build_discriminator(filters=64, initializer="he_normal", seed=1, name="d"),
    ]
    for model in models:
        assert f"{model.count_params():,}" in page, model.count_params()
    assert INSTANCE_NORM_EPSILON == 1e-5 and "epsilon 1e-5" in page


def test_discriminator_sees_patches_of_70_pixels():
    model = discriminators.build_discriminator(filters=2, initializer="he_normal", seed=1, name="d")
    # Instance norm sees everything; without it the receptive field is that of the convolutions.
    for layer in model.layers:
        if "normalization" in layer.name:
            layer.call = lambda inputs: inputs
    image = tf.Variable(np.random.default_rng(0).normal(size=(1, 256, 256, 1)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        score = model(image)[0, 15, 15, 0]
    rows = np.flatnonzero(np.abs(tape.gradient(score, image)[0, :, :, 0]).sum(axis=1))
    assert rows[-1] - rows[0] + 1 == 70


@pytest.fixture(scope="module", params=MULTIPLES)
def generator(request):
    return generators.build_generator(kind=request.param, filters=4, blocks=1, name="g", **TINY)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (*shape, 1)).astype("float32")


@pytest.mark.parametrize("shape", [(32, 32), (64, 36), (37, 18)])
def test_generator_keeps_the_size_and_stays_in_model_range(generator, shape):
    image = images(2, *shape)
    made = generator(image).numpy()
    assert made.shape == image.shape and made.dtype == np.float32
    assert np.abs(made).max() <= 1 and made.std() > 1e-3


def test_any_size_is_padded_by_reflection_and_cropped_eager_and_in_a_graph(request, generator):
    image = images(1, 37, 50)
    padded = np.pad(image, [(0, 0), (0, 27), (0, 14), (0, 0)], mode="reflect")
    multiple = MULTIPLES[request.node.callspec.params["generator"]]
    padded = padded[:, : 37 + -37 % multiple, : 50 + -50 % multiple]
    expected = generator(padded)[:, :37, :50]
    anything = tf.TensorSpec([None, None, None, 1])
    np.testing.assert_allclose(generator(image), expected, atol=1e-5)
    made = tf.function(generator, input_signature=[anything])(image)
    np.testing.assert_allclose(made, expected, atol=1e-4)


@pytest.mark.parametrize("filters", [2, 4])
def test_unet_has_the_parameters_of_its_convolutions(filters):
    f = filters
    # 4x4 down with bias: 1-f-2f-4f-8f-8f; 3x3 up without: 8f, then twice the width for the skip.
    down = [(1, f), (f, 2 * f), (2 * f, 4 * f), (4 * f, 8 * f), (8 * f, 8 * f)]
    up = [(8 * f, 8 * f), (16 * f, 4 * f), (8 * f, 2 * f), (4 * f, f), (2 * f, f)]
    expected = sum(16 * i * o + o for i, o in down) + sum(9 * i * o for i, o in up) + 49 * f + 1
    model = generators.build_generator(kind="unet", filters=f, blocks=9, name="g", **TINY)
    assert model.count_params() == expected


@pytest.mark.parametrize("filters", [2, 16])
def test_the_small_unet_has_the_parameters_of_its_convolutions(filters):
    f = filters
    down = [(1, f), (f, 2 * f), (2 * f, 2 * f), (2 * f, 4 * f), (4 * f, 4 * f)]
    down += [(4 * f, 8 * f), (8 * f, 8 * f), (8 * f, 8 * f), (8 * f, 8 * f)]
    up = [(8 * f, 8 * f), (8 * f, 4 * f), (4 * f, 2 * f), (2 * f, f)]
    expected = sum(9 * i * o for i, o in down) + sum((i + 9 * o) * o for i, o in up) + 9 * f + 1
    model = generators.build_generator(kind="unet_small", filters=f, blocks=9, name="g", **TINY)
    assert model.count_params() == expected


def test_unet_sees_the_whole_of_a_32_pixel_image_and_hands_on_detail():
    model = generators.build_generator(kind="unet", filters=4, blocks=9, name="g", **TINY)
    image = tf.Variable(images(1, 32, 32))
    with tf.GradientTape() as tape:
        value = model(image)[0, 3, 3, 0]
    gradient = np.abs(tape.gradient(value, image)[0, :, :, 0])
    assert gradient[28:, 28:].max() > 0 and gradient[:8, :8].max() > 3 * gradient[24:, 24:].max()


def nyquist_share(pictures: np.ndarray) -> np.ndarray:
    """Share of the energy of [N, S, S], S even, that alternates from pixel to pixel."""
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    energy, nyquist = np.abs(np.fft.fft2(centred)) ** 2, pictures.shape[1] // 2
    row, column = energy[:, nyquist].sum(axis=1), energy[:, :, nyquist].sum(axis=1)
    return (row + column - energy[:, nyquist, nyquist]) / energy.sum(axis=(1, 2))


def test_the_checkerboard_score_in_closed_form():
    rows, columns = np.mgrid[:64, :64]
    wave = np.cos(2 * np.pi * columns / 16)  # of mean square 1/2
    checkers = 0.1 * (-1.0) ** (rows + columns)  # of mean square 0.01
    stripes = 0.1 * (-1.0) ** rows
    made = nyquist_share(np.stack([wave, wave + checkers, wave + stripes + 7.0]))
    np.testing.assert_allclose(made, [0, 0.01 / 0.51, 0.01 / 0.51], atol=1e-12)


def test_resizing_leaves_no_checkerboard_and_transposed_convolutions_do(generator):
    """Before any training, where the choice alone shows; relative to the source, noise included."""
    noise = np.random.default_rng(0).normal(size=(2, 64, 64))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2), mode="wrap")
    source = (smooth / np.abs(smooth).max() + 0.01 * noise).astype(np.float32)
    made = generator(source[..., np.newaxis]).numpy()[..., 0]
    score = nyquist_share(made) / nyquist_share(source)
    transposed = any("transpose" in layer.name for layer in generator.layers)
    assert (score > 500).all() if transposed else (score < 50).all()


@pytest.mark.parametrize("kind", ["resnet", "unet", "curves"])
def test_generator_with_positions_takes_any_size_and_sees_where_a_pixel_is(kind):
    plain, model = (
        generators.build_generator(
            kind=kind, filters=4, blocks=1, name="g", **TINY, positions=positions
        )
        for positions in (False, True)
    )
    per_channel = 4 * {"unet": 4}.get(kind, 7) ** 2
    assert model.count_params() == plain.count_params() + 2 * per_channel
    anything = tf.TensorSpec([None, None, None, 1])
    served = tf.function(model, input_signature=[anything])
    for shape in ((32, 32), (37, 50)):
        image = images(1, *shape)
        np.testing.assert_allclose(served(image), model(image), atol=1e-4)
    # Without what the first layer makes of row and column it is the plain generator.
    values = model.get_weights()
    values[0][:, :, 1:] = 0.0
    plain.set_weights([values[0][:, :, :1], *values[1:]])
    assert np.abs(model(image) - plain(image)).max() > 0.01
    model.set_weights(values)
    np.testing.assert_allclose(model(image), plain(image), atol=1e-4)


def test_discriminator_with_positions_sees_the_slice_and_the_place():
    model = discriminators.build_discriminator(
        filters=2, initializer="he_normal", seed=1, name="d", positions=True
    )
    plain = discriminators.build_discriminator(filters=2, initializer="he_normal", seed=1, name="d")
    assert model.count_params() == plain.count_params() + 3 * 16 * 2
    low, high = (
        np.concatenate([images(1, 32, 32), np.full((1, 32, 32, 1), z)], -1) for z in (-1, 1)
    )
    assert np.abs(model(low) - model(high)).max() > 1e-3


def test_discriminator_of_256_pixels_scores_30_by_30_patches():
    model = discriminators.build_discriminator(filters=2, initializer="he_normal", seed=1, name="d")
    assert model(tf.zeros([1, 256, 256, 1])).shape == (1, 30, 30, 1)


@pytest.mark.parametrize(
    ("initializer", "expected"), [("he_normal", math.sqrt(2 / (9 * 256))), ("normal_0.02", 0.02)]
)
def test_initial_weights_have_the_papers_deviation(initializer, expected):
    model = generators.build_generator(
        filters=64, blocks=1, name="g", **{**TINY, "initializer": initializer}
    )
    kernels = [w for w in model.weights if tuple(w.shape) == (3, 3, 256, 256)]
    assert len(kernels) == 2
    for kernel in kernels:
        assert np.std(kernel) == pytest.approx(expected, rel=0.01)
    assert np.abs(kernels[0].numpy() - kernels[1].numpy()).max() > expected


def test_weights_depend_on_the_seed_alone():
    def first(seed):
        return generators.build_generator(
            filters=4, blocks=1, name="g", **{**TINY, "seed": seed}
        ).get_weights()[0]

    np.testing.assert_array_equal(first(1), first(1))
    assert np.abs(first(1) - first(2)).max() > 0.01


def test_tone_curves_interpolate_between_their_heights():
    """Against numpy.interp: with constant curves, and with one a row."""
    heights = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    image = np.linspace(-1, 1, 3 * 41, dtype=np.float32).reshape(1, 3, 41, 1)
    curves = np.broadcast_to(heights[np.newaxis, :, np.newaxis], (1, 3, 41, 5))
    made = ToneCurves()([curves, image]).numpy()[0, ..., 0]
    for row in range(3):
        wanted = np.interp(image[0, row, :, 0], np.linspace(-1, 1, 5), heights[row])
        np.testing.assert_allclose(made[row], wanted, atol=1e-5)


def test_curves_keep_edges_and_can_turn_one_region_only():
    model = generators.build_generator(kind="curves", filters=4, blocks=1, name="g", **TINY)
    kernel, bias = model.get_weights()[-2:]
    assert kernel.shape == (3, 3, 16, 8) and not bias.any()
    for heights in (np.linspace(-1, 1, 8), np.linspace(1, -1, 8) ** 3):
        model.set_weights([*model.get_weights()[:-2], 0 * kernel, heights.astype(np.float32)])
        image = images(1, 37, 50)
        wanted = np.tanh(np.interp(image, np.linspace(-1, 1, 8), heights))
        np.testing.assert_allclose(model(image), wanted, atol=1e-5)


def test_unknown_choices_are_named():
    with pytest.raises(
        ValueError, match="generator: expected one of resnet, .*, idcgan. Received: 'vit'"
    ):
        generators.build_generator(kind="vit", filters=4, blocks=1, name="g", **TINY)
    with pytest.raises(
        ValueError, match="initializer: expected he_normal or one of normal_0.02, normal_0.05"
    ):
        discriminators.build_discriminator(filters=4, initializer="zeros", seed=1, name="d")
