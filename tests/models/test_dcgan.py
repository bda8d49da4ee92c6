"""DCGAN against the numbers of its authors' code and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models import translators
from tfcyclegan.models.losses.sampling import (
    MADE_TARGETS,
    REAL_TARGETS,
    feature_matching,
    gradient_penalty,
    smoothed,
)
from tfcyclegan.models.networks.batch_statistics import BatchStatistics, measure
from tfcyclegan.models.networks.latent import (
    build_critic,
    build_matching_discriminator,
    build_sampler,
)
from tfcyclegan.models.networks.minibatch import MinibatchDiscrimination
from tfcyclegan.training.distribution.replica_state import count

TINY = (
    *("--model=dcgan", "--image_size=64", "--batch_size=8", "--latent_size=6"),
    *("--generator_filters=2", "--discriminator_filters=2", "--generator_blocks=9"),
)
SEED = tf.constant([3, 4], tf.int64)


def trainable(network: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def of(build, filters: int, size: int = 128, **arguments) -> keras.Model:
    return build(
        filters=filters, size=size, initializer="normal_0.05", seed=0, name="n", **arguments
    )


def images(n: int, seed: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(seed)
    return tuple(tf.constant(rng.uniform(-1, 1, (n, 64, 64, 1)), tf.float32) for _ in range(2))


@pytest.mark.parametrize(("filters", "count"), [(96, 41_633_952), (12, 920_244)])
def test_the_sampler_has_the_parameters_of_its_table(filters, count):
    assert trainable(of(build_sampler, filters, latent=100)) == count


def test_the_discriminators_have_the_parameters_of_their_tables():
    assert trainable(of(build_matching_discriminator, 96)) == 11_122_581
    assert trainable(of(build_matching_discriminator, 12)) == 752_361
    for spectral in (False, True):
        assert trainable(of(build_critic, 96, spectral=spectral)) == 39_194_976


def test_equal_examples_are_counted_and_far_ones_are_not():
    layer = MinibatchDiscrimination(3, 4)
    one, other = [1.0, -2.0], [400.0, 300.0]
    for batch, near in (([one] * 5, 4.0), ([one, one, other], (1.0, 1.0, 0.0))):
        made = layer(tf.constant(batch)).numpy()
        np.testing.assert_array_equal(made[:, :2], batch)
        expected = np.broadcast_to(np.reshape(near, (-1, 1)), (len(batch), 3))
        np.testing.assert_allclose(made[:, 2:], expected, atol=1e-6)


def test_features_are_matched_by_their_means():
    real, made = (tf.reshape(tf.constant(x), (2, 1, 1, 1)) for x in ([0.0, 2.0], [1.0, 1.0]))
    np.testing.assert_array_equal(feature_matching(real, made), [0.0, 0.0])
    np.testing.assert_array_equal(feature_matching(real, 2.0 * made), [1.0, 1.0])


def test_targets_are_drawn_within_their_bounds():
    """At a logit of 0 the loss is ln 2 whatever the target; its slope tells the target."""
    scores = tf.zeros([2000, 1])
    for bounds in (REAL_TARGETS, MADE_TARGETS):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            loss = smoothed(scores, bounds, SEED)
        np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
        targets = 0.5 - tape.gradient(loss, scores).numpy()
        assert bounds[0] <= targets.min() < bounds[0] + 0.01
        assert bounds[1] - 0.01 < targets.max() <= bounds[1]
        assert len(np.unique(targets)) > 1900


def test_the_penalty_of_a_linear_critic_is_that_of_its_weights():
    """For each example: the norm of a whole batch's gradient would be twice as long for four."""
    weights = tf.constant(np.random.default_rng(0).normal(size=(4, 4, 1)), tf.float32)
    rng = np.random.default_rng(1)
    real, made = (tf.constant(rng.normal(size=(4, 4, 4, 1)), tf.float32) for _ in range(2))
    penalty = gradient_penalty(lambda x: tf.reduce_sum(x * weights, axis=(1, 2)), real, made, SEED)
    expected = (np.linalg.norm(weights) - 1.0) ** 2
    np.testing.assert_allclose(penalty, [expected] * 4, rtol=1e-5)


def test_the_penalty_is_taken_between_each_real_image_and_its_made_one():
    """A critic of half the square has its point as slope: its length tells where that lies."""
    real, made = tf.zeros([64, 2, 2, 1]), tf.ones([64, 2, 2, 1])
    penalty = gradient_penalty(lambda x: 0.5 * tf.reduce_sum(x**2, axis=(1, 2)), real, made, SEED)
    shares = (1.0 - np.sqrt(penalty)) / 2.0  # the point is share x (1, 1, 1, 1), of length 2 share
    shares = np.where(shares > 0, shares, 0)
    assert len(np.unique(np.round(penalty, 6))) > 60 and 0 <= shares.min() <= shares.max() <= 1


def test_statistics_in_use_are_those_of_the_latents_that_they_were_measured_with():
    network = of(build_sampler, 4, size=32, latent=6)
    latents = tf.random.stateless_normal([256, 6], (1, 2))
    measure(network, latents)
    np.testing.assert_allclose(
        network(latents, training=False), network(latents, training=True), atol=1e-5
    )
    statistics = [x for x in network.layers if isinstance(x, BatchStatistics)]
    assert len(statistics) == 5


def test_a_sample_is_one_image_whatever_else_is_made():
    model = tiny_model(*TINY)
    model.settle()
    sampler = model.samplers["b"]
    many, few = (translators.sampler_of(sampler)(np.arange(n)) for n in (20, 3))
    np.testing.assert_allclose(many[:3], few, atol=1e-6)
    assert few.shape == (3, 64, 64, 1) and 0 <= few.min() < few.max() <= 1
    assert np.abs(few[0] - few[1]).max() > 0.01
    numbers = tf.constant([2, 0], tf.int64)
    np.testing.assert_allclose(
        translators.latents(numbers, 6), translators.latents_of(sampler, 3)[[2, 0]]
    )


@pytest.mark.parametrize(
    ("gan_loss", "updates"),
    [("feature_matching", 1), ("vanilla", 1), ("wgan_gp", 5), ("wgan_gp_sn", 5)],
)
def test_a_step_is_finite_and_has_five_updates_of_a_critic(gan_loss, updates):
    model = tiny_model(*TINY, f"--gan_loss={gan_loss}")
    before = {name: network.get_weights() for name, network in model.networks.items()}
    logs = model.train_step(images(4 * updates))
    assert all(np.isfinite(value) for value in logs.values())
    counts = {name: count(o.iterations) for name, o in model.optimizers.items()}
    assert counts == {"generator_optimizer": 1, "discriminator_optimizer": updates}
    for name, network in model.networks.items():
        now = network.get_weights()
        assert any((x != y).any() for x, y in zip(now, before[name], strict=True)), name


def test_each_update_of_a_critic_has_images_of_its_own():
    given = images(10)

    def after(changed: int | None) -> np.ndarray:
        model = tiny_model(*TINY, "--gan_loss=wgan_gp_sn", "--direction=a_to_b")
        ours = [np.array(x) for x in given]
        if changed is not None:
            ours[1][changed] = ours[1][changed][::-1]
        model.train_step(tuple(map(tf.constant, ours)))
        return model.discriminator_b.get_weights()[0]

    plain = after(None)
    for changed in range(10):
        assert np.abs(after(changed) - plain).max() > 0, changed


def test_one_direction_samples_the_domain_that_it_leads_to():
    model = tiny_model(*TINY, "--direction=a_to_b")
    assert list(model.networks) == ["generator_b", "discriminator_b"]
    assert list(model.samplers) == ["b"] and model.translators == {}
    assert translators.directions_of(model) == ("a_to_b",)
    assert translators.directions_of(tiny_model(*TINY)) == ("a_to_b", "b_to_a")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--batch_size=4",), "--model=dcgan needs a --batch_size of at least 8"),
        (("--image_size=48",), "--model=dcgan needs an --image_size that 32 divides"),
        (("--image_size=32",), "--model=dcgan needs an --image_size that 32 divides, 64 at least"),
        (("--pairs=auto",), "dcgan learns from no pairs"),
        (("--generator=unet",), "--generator means nothing to --model=dcgan"),
        (("--keep_air",), "--keep_air means nothing to --model=dcgan"),
        (("--accumulate_steps=2",), "--accumulate_steps means nothing to --model=dcgan"),
        (("--cycle_weight=5",), "--cycle_weight means nothing to --model=dcgan"),
        (("--pool_size=7",), "--pool_size means nothing to --model=dcgan"),
        (("--model=cut", "--gan_loss=vanilla"), "--gan_loss means nothing to --model=cut"),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", *TINY, *flags)
