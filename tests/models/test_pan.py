"""PAN against the numbers of its public port and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.networks import unets
from tfcyclegan.models.networks.feature_discriminators import build_global_discriminator
from tfcyclegan.models.networks.generators import build_generator

TINY = ("--model=pan", "--pairs=only", "--direction=a_to_b")


@pytest.fixture(scope="module")
def model():
    return tiny_model(*TINY)


def discriminator(filters: int, size: int) -> keras.Model:
    return build_global_discriminator(
        filters=filters, size=size, initializer="normal_0.02", seed=0, name="d"
    )


def trainable(network: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


@pytest.mark.parametrize(("filters", "count"), [(64, 16_819_841), (48, 9_461_473)])
def test_the_generator_has_the_parameters_of_its_table(filters, count):
    network = build_generator(
        kind="pan", filters=filters, blocks=1, initializer="he_normal", seed=0, name="g"
    )
    assert network.count_params() == count


@pytest.mark.parametrize(("filters", "size", "count"), [(64, 256, 7_044_489), (24, 128, 1_000_025)])
def test_the_discriminator_has_the_parameters_of_its_table(filters, size, count):
    assert trainable(discriminator(filters, size)) == count


def test_what_is_compared_sees_3_13_29_and_61_pixels():
    network, image = discriminator(4, 128), np.zeros((1, 128, 128, 1), np.float32)
    at_rest, seen = network(image)[1:], [[], [], [], []]
    for row in range(128):
        image[0, row, 64] = 1.0
        for layer, before, rows in zip(network(image)[1:], at_rest, seen, strict=True):
            middle = layer.shape[1] // 2
            if np.abs(layer[0, middle, middle] - before[0, middle, middle]).max() > 0:
                rows.append(row)
        image[0, row, 64] = 0.0
    assert [rows[-1] - rows[0] + 1 for rows in seen] == [3, 13, 29, 61]


def test_the_generators_innermost_level_says_something_of_one_pixel():
    network = build_generator(
        kind="pan", filters=4, blocks=1, initializer="he_normal", seed=0, name="g"
    )
    names = [layer.name for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    encoder = [name for name in names if "transpose" not in name]
    innermost = keras.Model(network.input, network.get_layer(encoder[-1]).output)
    made = [innermost(tf.fill([1, 64, 64, 1], level)).numpy() for level in (-1.0, 0.5)]
    assert made[0].shape == (1, 1, 1, 4 * unets.PAN_WIDTHS[-1])
    assert np.isfinite(made).all() and np.abs(network(tf.fill([1, 64, 64, 1], 0.5))).max() < 1


def stepping(logit: float, step: float):
    """A discriminator whose four layers are the image's mean, times `step` for a level of 1."""

    def judge(shown, **_):
        level = tf.reduce_mean(shown, axis=(1, 2, 3), keepdims=True) * step
        return [tf.fill([len(shown), 1, 1, 1], logit), *([level] * 4)]

    return {"a_to_b": judge}


def losses(model, difference: float) -> tuple[dict, dict, float]:
    """Losses of both sides where each layer differs by `difference`, and what the judge learns."""
    pair = (tf.zeros([2, 32, 32, 1]), tf.zeros([2, 32, 32, 1]))
    fake = tf.ones([2, 32, 32, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "discriminators", stepping(0.0, difference))
        asked, _ = model.losses_of(pair, {"a_to_b": fake})
        judged, loss = model.judging_losses("a_to_b", fake, pair[1])
    return asked, judged, loss


def test_the_generator_is_asked_for_the_differences_and_nothing_of_pixels(model):
    """5, 1.5, 1.5 and 1 times a tenth; the pixels differ by 1 and are not asked for."""
    asked, _, _ = losses(model, 0.1)
    np.testing.assert_allclose(asked["perceptual_ab_loss"], 0.9, rtol=1e-5)
    np.testing.assert_allclose(asked["loss"], np.log(2) + 0.9, rtol=1e-5)
    assert "pair_ab_loss" not in asked


@pytest.mark.parametrize(
    ("difference", "short"), [(2.0 / 9.0, 1.0), (4.0 / 9.0, 0.0), (3.0 / 9.0, 0.0)]
)
def test_the_discriminator_is_asked_for_the_whole_sum_and_what_is_short_of_three(
    model, difference, short
):
    _, judged, loss = losses(model, difference)
    np.testing.assert_allclose(judged["margin_b_loss"], short, atol=1e-5)
    np.testing.assert_allclose(judged["discriminator_b_loss"], np.log(2), rtol=1e-6)
    np.testing.assert_allclose(loss, 2 * np.log(2) + short, rtol=1e-5)


def test_the_features_teach_the_generator_and_it_does_not_teach_the_discriminator(model):
    gradients = []
    for weight in (1.0, 0.0):
        model.feature_weight = weight
        gradients.append(model._taught_generators(*batch())[1])
    model.feature_weight = 1.0
    with_features, without = (tf.linalg.global_norm(g) for g in gradients)
    assert abs(with_features - without) > 1e-3 * without
    assert len(gradients[0]) == len(model.generator_ab.trainable_variables)


def test_a_step_turns_the_spectral_vectors_once(model):
    kernels = [x for x in model.discriminator_b.layers if hasattr(x, "singular")]
    before = [np.array(x.singular) for x in kernels]
    model.train_step(batch())
    for x, vector in zip(kernels, before, strict=True):
        matrix = np.reshape(x.kernel, (-1, x.filters))
        expected = matrix.T @ (matrix @ vector)
        np.testing.assert_allclose(
            x.singular, expected / np.linalg.norm(expected), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=auto",), "pan learns from pairs and nothing else"),
        (("--pair_weight=5",), "--pair_weight means nothing to --model=pan"),
        (("--vgg=f",), "--vgg means nothing to --model=pan"),
        (("--pool_size=7",), "--pool_size means nothing to --model=pan"),
        (("--generator=pan",), "--generator=pan needs an --image_size of at least 33"),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    size = "--image_size=32"
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", size, *TINY, *flags)
