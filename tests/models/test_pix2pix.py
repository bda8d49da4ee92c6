"""pix2pix against the paper's numbers and closed forms, and what its flags may be."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.generators import build_generator

TINY = ("--model=pix2pix", "--pairs=only", "--generator=unet_deep", "--unet_levels=3")


@pytest.fixture(scope="module")
def model():
    return tiny_model(*TINY, "--pair_weight=100")


@pytest.mark.parametrize(
    ("filters", "levels", "count"), [(64, 8, 54_398_529), (32, 5, 4_163_361), (16, 5, 1_041_297)]
)
def test_the_deep_unet_has_the_parameters_of_its_table(filters, levels, count):
    """The authors' has 54,413,955 with three channels, whose first and last layers are larger."""
    network = build_generator(
        kind="unet_deep", filters=filters, blocks=1, levels=levels, initializer="he_normal",
        seed=0, name="g",
    )  # fmt: skip
    assert network.count_params() == count


@pytest.mark.parametrize(("filters", "count"), [(64, 2_762_817), (32, 693_281)])
def test_the_discriminator_of_two_channels_has_the_parameters_of_its_table(filters, count):
    network = build_discriminator(
        filters=filters, initializer="he_normal", seed=0, name="d", channels=2
    )
    assert network.count_params() == count


def test_the_innermost_level_of_the_deep_unet_says_something_of_a_constant_image():
    network = build_generator(
        kind="unet_deep", filters=4, blocks=1, levels=5, initializer="he_normal", seed=0, name="g"
    )
    made = [network(tf.fill([1, 32, 32, 1], level)).numpy() for level in (-1.0, 0.5)]
    assert np.isfinite(made).all() and np.abs(made[0] - made[1]).max() > 1e-4
    assert network(tf.zeros([2, 37, 50, 1])).shape == (2, 37, 50, 1)


def test_the_total_is_the_adversarial_loss_and_a_hundred_times_the_error(model):
    pair = (tf.zeros([2, 32, 32, 1]), tf.fill([2, 32, 32, 1], 0.3))
    fakes = {"a_to_b": pair[1] + 0.1, "b_to_a": pair[0] - 0.1}
    blind = {name: lambda shown, **_: tf.zeros([len(shown), 2, 2, 1]) for name in fakes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "discriminators", blind)
        values, _ = model.losses_of(pair, fakes)
    for way in ("ab", "ba"):
        np.testing.assert_allclose(values[f"generator_{way}_loss"], np.log(2), rtol=1e-6)
        np.testing.assert_allclose(values[f"pair_{way}_loss"], 0.1, rtol=1e-5)
    np.testing.assert_allclose(values["loss"], 2 * (10 + np.log(2)), rtol=1e-5)


def test_the_gradient_of_the_error_is_a_sign_over_the_pixels(model):
    pair = batch(1)
    fakes = {
        name: tf.Variable(0.5 * image)
        for name, image in zip(("a_to_b", "b_to_a"), pair, strict=True)
    }
    with tf.GradientTape() as tape:
        error = model.losses_of(pair, fakes)[0]["pair_ab_loss"]
    expected = -np.sign(pair[1] - fakes["a_to_b"]) / (32 * 32)
    np.testing.assert_allclose(tape.gradient(error, fakes["a_to_b"]), expected, rtol=1e-5)


def test_a_discriminator_judges_a_target_beside_its_own_source(model):
    a, b = batch(2, seed=4)
    network = model.discriminator_b
    together = network(tf.concat([b, a], -1))
    exchanged = network(tf.concat([b, tf.reverse(a, [0])], -1))
    assert np.abs(together - exchanged).max() > 1e-4
    # The loss shows it the target first: half of softplus(-real) + softplus(made).
    fakes = {"a_to_b": tf.zeros_like(b), "b_to_a": tf.zeros_like(a)}
    _, shown = model.losses_of((a, b), fakes)
    values, _ = model._taught_discriminators(a, b, *shown.values())
    real, made = together, network(tf.concat([fakes["a_to_b"], a], -1))
    expected = 0.5 * (tf.nn.softplus(-real) + tf.nn.softplus(made)).numpy().mean(axis=(1, 2, 3))
    np.testing.assert_allclose(values["discriminator_b_loss"], expected, rtol=1e-5)


def test_directions_share_nothing(model):
    with tf.GradientTape(persistent=True) as tape:
        pair = batch()
        values, _ = model.losses_of(pair, model.translate(pair))
        total = tf.reduce_sum(values["generator_ab_loss"] + values["pair_ab_loss"])
    other = tape.gradient(total, model.generator_ba.trainable_variables)
    assert all(gradient is None for gradient in other)
    assert all(g is not None for g in tape.gradient(total, model.generator_ab.trainable_variables))


@pytest.mark.parametrize(
    ("direction", "names"),
    [
        ("a_to_b", ["generator_ab", "discriminator_b"]),
        ("b_to_a", ["generator_ba", "discriminator_a"]),
    ],
)
def test_one_direction_is_the_half_of_both(model, direction, names):
    half = tiny_model(*TINY, "--pair_weight=100", f"--direction={direction}")
    assert list(half.networks) == names and list(half.translators) == [direction]
    for name in names:
        for mine, of_both in zip(
            half.networks[name].get_weights(), model.networks[name].get_weights(), strict=True
        ):
            np.testing.assert_array_equal(mine, of_both)
    logs = half.train_step(batch())
    both = tiny_model(*TINY, "--pair_weight=100").train_step(batch())
    for name in set(logs) - {"loss", "generator_gradient_norm", "discriminator_gradient_norm"}:
        np.testing.assert_allclose(logs[name], both[name], rtol=1e-5, err_msg=name)


def test_parts_are_the_whole_batch():
    logs = [
        tiny_model(*TINY, "--batch_size=2", f"--accumulate_steps={parts}").train_step(batch())
        for parts in (1, 2)
    ]
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=2e-4, err_msg=name)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=auto",), "pix2pix learns from pairs and nothing else: give --pairs=only"),
        (("--cycle_weight=5",), "--cycle_weight means nothing to --model=pix2pix"),
        (("--identity_weight=1",), "--identity_weight means nothing"),
        (("--pool_size=7",), "--pool_size means nothing"),
        (("--discriminator_images=2",), "--discriminator_images means nothing"),
        (("--discriminator_size=64",), "--discriminator_size means nothing"),
        (("--match_slice_position=0.1",), "--match_slice_position means nothing"),
        (("--r1_weight=1",), "--r1_weight means nothing"),
        (("--position_channels=both",), "to the generator alone"),
        (("--image_size=36",), "--model=tumorgan, need an --image_size that 2"),
        (("--generator=resnet",), "--unet_levels needs --generator=unet_deep"),
        (("--model=cyclegan", "--direction=a_to_b"), "--direction means nothing to --model=cycl"),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", *TINY, *flags)
