"""The discriminators' half of a step: R1, and several images of each kind."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, discriminators_taught, tiny_model

from tfcyclegan.errors import UserError
from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.losses.gradient_penalty import r1_penalty

FLAGS = ("--r1_weight=3",)


@pytest.fixture(scope="module")
def model():
    return tiny_model(*FLAGS, "--adversarial_loss=lsgan")


def test_the_penalty_is_added_every_fourth_update_and_counts_four_times(model):
    pair, objective = batch(), model.objective
    model.objective = dataclasses.replace(objective, r1_weight=0.0)
    _, plain = discriminators_taught(model, pair, pair)
    model.objective = objective
    with tf.GradientTape() as tape:
        r1 = [
            r1_penalty(model.discriminator_a, pair[0]),
            r1_penalty(model.discriminator_b, pair[1]),
        ]
        total = 3.0 * 4.0 * tf.reduce_mean(r1[0] + r1[1])
    zero = tf.UnconnectedGradients.ZERO
    variables = [variable.value for variable in model.discriminators.variables]
    slopes = tape.gradient(total, variables, unconnected_gradients=zero)
    assert float(tf.linalg.global_norm(slopes)) > 1e-3
    for updates, times in ((0, 4.0), (1, 0.0), (3, 0.0), (4, 4.0)):
        model.discriminator_optimizer.iterations.assign(updates)
        values, gradients = discriminators_taught(model, pair, pair)
        np.testing.assert_allclose(values["r1_a_loss"], times * r1[0], rtol=1e-4)
        np.testing.assert_allclose(values["r1_b_loss"], times * r1[1], rtol=1e-4)
        for made, one, slope in zip(gradients, plain, slopes, strict=True):
            wanted = one + 0.25 * times * slope
            np.testing.assert_allclose(made, wanted, atol=1e-4 * (np.abs(wanted).max() + 1e-3))


def test_what_is_off_has_no_variable_and_no_name_in_the_logs(model):
    logs, plain = model.train_step(batch()), tiny_model()
    extra = {"r1_a_loss", "r1_b_loss"}
    assert set(logs) == {*(m.name for m in plain.metrics), *extra}
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert len(model.replica_variables) == len(plain.replica_variables) + 2 * len(extra)


def test_further_images_teach_the_discriminators_alone():
    seen = {}

    class Recorded:
        """A discriminator that notes what it is shown."""

        def __init__(self, name, network):
            self.name, self.network = name, network
            self.trainable_variables = network.trainable_variables

        def __call__(self, images, training):
            seen.setdefault(self.name, []).append(np.asarray(images))
            return self.network(images, training=training)

    several = tiny_model("--pool_size=5", "--discriminator_images=3", "--adversarial_loss=lsgan")
    one = tiny_model("--pool_size=5", "--adversarial_loss=lsgan")
    real_a, real_b = batch(6)
    _, wanted = one._taught_generators(real_a[::3], real_b[::3])
    networks = several.discriminators.networks
    for domain, network in networks.items():
        networks[domain] = Recorded(f"discriminator_{domain}", network)
    applied = {}
    several._update = lambda descent_g, descent_d, *rest: applied.update(g=descent_g, v=rest[-1])
    several.train_step((real_a, real_b))

    # Both generators' gradients are those of the first image of each example.
    for made, expected in zip(applied["g"], wanted, strict=True):
        np.testing.assert_allclose(made, expected, atol=1e-6)
    translated = one.translate(Batch(real_a[::3], real_b[::3]))
    for domain, reals in (("a", real_a), ("b", real_b)):
        judged_new, learnt = seen[f"discriminator_{domain}"]
        assert judged_new.shape[0] == 2 and learnt.shape[0] == 12
        np.testing.assert_array_equal(learnt[:6], reals)
        # The pool holds just the two new ones, so that all six are among them.
        new = np.asarray(translated[f"fake_{domain}"])
        np.testing.assert_allclose(learnt[6:8], new, atol=1e-5)
        apart = np.abs(learnt[6:, np.newaxis] - new[np.newaxis]).max(axis=(2, 3, 4))
        assert (apart.min(axis=1) < 1e-5).all()
        scores = np.asarray(getattr(one, f"discriminator_{domain}")(learnt))
        expected = 0.5 * (scores[:6] - 1) ** 2 + 0.5 * scores[6:] ** 2
        np.testing.assert_allclose(
            np.mean(applied["v"][f"discriminator_{domain}_loss"]), expected.mean(), rtol=1e-4
        )


def test_further_translations_need_a_pool():
    with pytest.raises(UserError, match="needs a --pool_size above 0"):
        tiny_model("--discriminator_images=2", "--pool_size=0")
