"""MedGAN against the numbers of its public port and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.networks.feature_discriminators import build_small_patch_discriminator
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.training.distribution.replica_state import count

TINY = (
    *("--model=medgan", "--pairs=only", "--direction=a_to_b", "--generator=casnet"),
    *("--unet_levels=3", "--generator_blocks=2"),
)


@pytest.fixture(scope="module")
def model():
    return tiny_model(*TINY)


def discriminator(filters: int) -> keras.Model:
    return build_small_patch_discriminator(
        filters=filters, initializer="normal_0.02", seed=0, name="d"
    )


def cascade(**sizes) -> keras.Model:
    return build_generator(kind="casnet", initializer="he_normal", seed=0, name="g", **sizes)


def test_the_cascade_is_six_times_the_deep_unet():
    """Six of the 54,398,529 parameters that tests/models/test_pix2pix.py counts are the paper's."""
    assert cascade(filters=16, blocks=6, levels=5).count_params() == 6_247_782
    assert cascade(filters=16, blocks=1, levels=5).count_params() == 6_247_782 / 6


def test_between_two_unets_stands_an_image():
    network = cascade(filters=4, blocks=3, levels=3)
    between = [x.output for x in network.layers if isinstance(x, keras.layers.Activation)]
    shown = keras.Model(network.input, between)(tf.random.stateless_normal([1, 32, 32, 1], (1, 2)))
    assert [x.shape for x in shown] == [(1, 32, 32, 1)] * 3
    assert all(0.01 < np.abs(x).max() <= 1 for x in shown)


@pytest.mark.parametrize(("filters", "weights"), [(64, 135_361), (16, 9_265)])
def test_the_discriminator_has_the_parameters_of_its_table(filters, weights):
    network = discriminator(filters)
    assert sum(int(np.prod(v.shape)) for v in network.trainable_variables) == weights


def test_the_discriminator_judges_patches_of_16_pixels_and_compares_4_and_10():
    network, image = discriminator(4), np.zeros((1, 64, 64, 2), np.float32)
    at_rest, seen = network(image), [[], [], []]
    assert at_rest[0].shape == (1, 30, 30, 1)
    for row in range(64):
        image[0, row, 32] = 1.0
        for layer, before, rows in zip(network(image), at_rest, seen, strict=True):
            if np.abs(layer[0, 15, 15:17] - before[0, 15, 15:17]).max() > 0:
                rows.append(row)
        image[0, row, 32] = 0.0
    assert [rows[-1] - rows[0] + 1 for rows in seen] == [16, 4, 10]


def test_image_and_two_layers_are_asked_for_twenty_times(model):
    """Features that differ by a tenth everywhere, and the image by as much: 20 x 0.3."""

    def judge(shown, **_):
        level = shown[..., :1]
        return [tf.zeros([len(shown), 2, 2, 1]), level, tf.repeat(level, 2, -1)]

    pair = (tf.zeros([2, 32, 32, 1]), tf.fill([2, 32, 32, 1], 0.3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "discriminators", {"a_to_b": judge})
        patch.setattr(type(model.features_b), "__call__", lambda _, x: [tf.repeat(x, 2, -1)])
        values, shown = model.losses_of(pair, {"a_to_b": pair[1] + 0.1})
        _, loss = model.judging_losses("a_to_b", shown["a_to_b"], shown["a_to_b"])
    np.testing.assert_allclose(values["perceptual_ab_loss"], 0.3, rtol=1e-4)
    style, content = (0.4**2 - 0.3**2) ** 2 / 16, 0.01
    np.testing.assert_allclose(values["style_ab_loss"], style, rtol=1e-4)
    np.testing.assert_allclose(values["content_ab_loss"], content, rtol=1e-4)
    expected = np.log(2) + 20 * 0.3 + 1e-4 * (style + content)
    np.testing.assert_allclose(values["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)  # half of real and made


def test_a_step_is_three_updates_of_the_generator_by_three_examples():
    data = batch(6)

    def after(change: int | None) -> np.ndarray:
        model = tiny_model(*TINY, "--batch_size=2")
        images = [np.array(x) for x in data]
        if change is not None:
            images[1][change] = images[1][change][::-1]
        model.train_step(tuple(map(tf.constant, images)))
        counts = {name: count(o.iterations) for name, o in model.optimizers.items()}
        assert counts == {"generator_optimizer": 3, "discriminator_optimizer": 1}
        return model.generator_ab.get_weights()[0]

    plain = after(None)
    for change in range(6):
        assert np.abs(after(change) - plain).max() > 0


def test_the_rate_counts_steps_not_updates():
    model = tiny_model(*TINY, "--epochs=2", "--decay_start_epoch=1")
    generator, discriminator = model.optimizers.values()
    for epoch, rate in ((1.0, 1.0), (1.5, 0.5), (2.0, 0.0)):
        steps = round(epoch * 10)  # `tiny_model` has ten a epoch
        schedules = generator._learning_rate, discriminator._learning_rate
        rates = schedules[0](3 * steps), schedules[1](steps)
        np.testing.assert_allclose(rates, rate * 2e-4, atol=1e-9)


def test_an_early_update_that_is_not_finite_stops_the_step():
    model = tiny_model(*TINY)
    images = [np.array(x) for x in batch(3)]
    images[1][0] = np.nan  # of the first of three
    before = model.get_weights()
    model.train_step(tuple(map(tf.constant, images)))
    skipped = count(model.guard.skipped)
    assert skipped == 1 and count(model.optimizer.iterations) == 0
    after = [v for v in model.get_weights() if v.ndim]
    for old, new in zip([v for v in before if v.ndim], after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_gradient_reaches_the_first_unet(model):
    _, gradients = model._taught_generators(*batch(1))
    assert all(tf.norm(g) > 0 for g in gradients[: len(gradients) // 2])
    assert len(gradients) == len(model.generator_ab.trainable_variables)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=none",), "medgan learns from pairs and nothing else"),
        (("--pair_weight=5",), "--pair_weight means nothing to --model=medgan"),
        (("--feature_margin=1",), "--feature_margin means nothing to --model=medgan"),
        (("--discriminator_images=2",), "--discriminator_images means nothing"),
        (
            ("--image_size=36",),
            "--model=tumorgan, need an --image_size",
        ),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", *TINY, *flags)
