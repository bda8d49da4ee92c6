"""ID-CGAN against the numbers of its authors' code and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.networks import full_size
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.generators import build_generator

TINY = ("--model=idcgan", "--pairs=only", "--generator=idcgan", "--direction=a_to_b")


@pytest.fixture(scope="module")
def model():
    return tiny_model(*TINY)


def generator(filters: int = 8) -> keras.Model:
    return build_generator(
        kind="idcgan", filters=filters, blocks=1, initializer="he_normal", seed=0, name="g"
    )


@pytest.mark.parametrize(("filters", "count"), [(64, 259_841), (24, 36_961)])
def test_the_generator_has_the_parameters_of_its_table(filters, count):
    assert generator(filters).count_params() == count


@pytest.mark.parametrize(("filters", "count"), [(48, 1_556_017), (24, 390_937)])
def test_the_discriminator_has_the_parameters_of_its_table(filters, count):
    network = build_discriminator(
        filters=filters, initializer="he_normal", seed=0, name="d", channels=2
    )
    assert network.count_params() == count


def test_a_pixel_is_made_of_the_25_around_it(monkeypatch):
    """Without norms, each of which makes every pixel depend on all."""
    monkeypatch.setattr(full_size, "InstanceNormalization", keras.layers.Identity)
    network, image = generator(), np.zeros((1, 41, 41, 1), np.float32)
    at_rest, seen = network(image), []
    for row in range(41):
        image[0, row, 20] = 1.0
        if np.abs(network(image)[0, 20, 20] - at_rest[0, 20, 20]).max() > 0:
            seen.append(row)
        image[0, row, 20] = 0.0
    assert set(seen) <= set(range(8, 33)) and seen[0] == 8 and seen[-1] == 32


def test_the_waist_has_one_channel_and_the_image_gets_round_it():
    network = generator()
    convolutions = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    assert [x.filters for x in convolutions] == [8, 8, 8, 8, 4, 1, 4, 8, 8, 8, 8, 1]
    assert {(x.kernel_size, x.strides) for x in convolutions} == {((3, 3), (1, 1))}
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 1)).astype(np.float32)
    convolutions[5].kernel.assign(tf.zeros_like(convolutions[5].kernel))
    other = np.ascontiguousarray(image[:, ::-1])
    assert np.abs(network(image) - network(other)).max() > 1e-2
    for skip in (convolutions[1], convolutions[3]):
        skip.kernel.assign(tf.zeros_like(skip.kernel))
    np.testing.assert_array_equal(network(image), network(other))


def test_the_total_is_the_adversarial_loss_and_150_times_each_difference(model):
    """Squared for pixels and absolute for features, as in the authors' code."""
    pair = (tf.zeros([2, 32, 32, 1]), tf.fill([2, 32, 32, 1], 0.3))
    with pytest.MonkeyPatch.context() as patch:
        blind = {"a_to_b": lambda shown, **_: tf.zeros([len(shown), 2, 2, 1])}
        patch.setattr(type(model), "discriminators", blind)
        patch.setattr(
            type(model.features_b), "__call__", lambda _, x: [x, tf.repeat(x, 3, -1)[:, ::2]]
        )
        values, _ = model.losses_of(pair, {"a_to_b": pair[1] + 0.1})
    np.testing.assert_allclose(values["generator_ab_loss"], np.log(2), rtol=1e-6)
    np.testing.assert_allclose(values["pair_ab_loss"], 0.01, rtol=1e-4)
    np.testing.assert_allclose(values["perceptual_ab_loss"], 0.1, rtol=1e-4)
    np.testing.assert_allclose(values["loss"], np.log(2) + 1.5 + 15.0, rtol=1e-4)


def test_a_discriminator_judges_a_target_beside_its_own_source(model):
    a, b = batch(2, seed=4)
    _, shown = model.losses_of((a, b), {"a_to_b": b / 2})
    np.testing.assert_array_equal(shown["a_to_b"], tf.concat([b / 2, a], -1))


def test_features_are_measured_on_the_target_before_the_first_step():
    model = tiny_model("--model=idcgan", "--pairs=only")
    rng = np.random.default_rng(1)
    real = {name: rng.uniform(0, top, (3, 32, 32, 1)) for name, top in (("a", 0.2), ("b", 1.0))}
    model.prepare(real)
    for name, layer in (("a", model.features_a), ("b", model.features_b)):
        maps = layer.network.maps(tf.constant(real[name], tf.float32))
        np.testing.assert_allclose(layer.scale, [np.std(m) for m in maps], rtol=1e-5)
    assert list(model.compared_by) == ["b", "a"]
    assert model.compared_by["b"]["network"] == "randconv_v1"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=auto",), "idcgan learns from pairs and nothing else"),
        (("--cycle_weight=5",), "--cycle_weight means nothing to --model=idcgan"),
        (("--feature_margin=1",), "--feature_margin means nothing to --model=idcgan"),
        (("--style_weight=1",), "--style_weight means nothing to --model=idcgan"),
        (("--pool_size=7",), "--pool_size means nothing to --model=idcgan"),
        (("--position_channels=both",), "--model=idcgan can show a pixel's place"),
        (("--model=pix2pix", "--vgg=f"), "--vgg means nothing to --model=pix2pix"),
        (("--model=pix2pix", "--feature_weight=1"), "--feature_weight means nothing"),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", *TINY, *flags)
