"""Pairs in the train step: the loss in closed form, whom it teaches, and that it is off without."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, generator_losses, tiny_model

from tfcyclegan.metrics import ssim
from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.losses.paired import masked_dissimilarity, masked_l1
from tfcyclegan.models.networks.air import near_head

PAIRS = ("--pairs=auto", "--pair_weight=7")


def heads(n: int = 2, seed: int = 3) -> tuple[tf.Tensor, tf.Tensor]:
    """Images of a bright square in air, which is -1."""
    rng = np.random.default_rng(seed)
    images = np.full((2, n, 32, 32, 1), -1.0, np.float32)
    images[:, :, 8:24, 8:24] = rng.uniform(0, 1, (2, n, 16, 16, 1))
    return tuple(tf.constant(one) for one in images)


@pytest.fixture(scope="module")
def model():
    return tiny_model(*PAIRS)


def test_the_error_is_a_mean_inside_the_mask_of_each_example():
    target = tf.zeros([3, 2, 2, 1])
    made = tf.constant([[[[1.0], [-3.0]], [[5.0], [100.0]]]] * 3)
    masks = [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    inside = tf.reshape(tf.constant(masks) > 0, [3, 2, 2, 1])
    np.testing.assert_allclose(masked_l1(target, made, inside), [2.0, 5.0, 0.0])


def test_its_gradient_is_a_sign_over_the_pixels_of_the_mask():
    target, made = tf.zeros([1, 2, 2, 1]), tf.Variable([[[[1.0], [-3.0]], [[5.0], [0.5]]]])
    inside = tf.constant([[[[True], [True]], [[True], [False]]]])
    with tf.GradientTape() as tape:
        loss = masked_l1(target, made, inside)
    expected = np.array([1, -1, 1, 0]) / 3
    np.testing.assert_allclose(np.ravel(tape.gradient(loss, made)), expected, rtol=1e-6)


def test_each_direction_is_held_to_the_other_slice_of_the_pair(model):
    (real_a, real_b), (pair_a, pair_b) = batch(), heads()
    given = {"pair": (real_a, real_b)}
    # What is the head of one slice only counts too: fluid is black in FLAIR, and not in T2.
    pair_b = tf.concat([pair_b[:1], tf.fill([1, 32, 32, 1], -1.0)], 0)
    given["places"] = (None, None, pair_a, pair_b)
    values = generator_losses(model, **given)
    inside = near_head((pair_a + 1) / 2).numpy() | near_head((pair_b + 1) / 2).numpy()
    assert 256 <= inside[1].sum() <= 400
    for name, made, target in (
        ("pair_ab_loss", model.generator_ab(pair_a), pair_b),
        ("pair_ba_loss", model.generator_ba(pair_b), pair_a),
    ):
        error = np.abs(made.numpy() - target.numpy())
        expected = [error[i][inside[i]].mean() for i in range(2)]
        np.testing.assert_allclose(values[name], expected, rtol=1e-5, err_msg=name)
    without = generator_losses(model, (real_a, real_b))
    added = 7 * (values["pair_ab_loss"] + values["pair_ba_loss"])
    np.testing.assert_allclose(values["loss"] - without["loss"], added, rtol=1e-4)
    assert not np.any(without["pair_ab_loss"]), "a batch without pairs has no such error"


@pytest.mark.parametrize(
    ("loss", "taught", "other"),
    [
        ("pair_ab_loss", "generator_ab", "generator_ba"),
        ("pair_ba_loss", "generator_ba", "generator_ab"),
    ],
)
def test_a_pair_teaches_one_generator_a_direction_and_no_discriminator(model, loss, taught, other):
    with tf.GradientTape(persistent=True) as tape:
        values = generator_losses(model, batch(), places=(None, None, *heads()))
        value = tf.reduce_sum(values[loss])

    def norm(name: str) -> float:
        gradients = tape.gradient(value, getattr(model, name).trainable_variables)
        return sum(float(tf.norm(g)) for g in gradients if g is not None)

    assert norm(taught) > 1e-3
    assert norm(other) == norm("discriminator_a") == norm("discriminator_b") == 0


def test_air_has_no_part_in_the_error(model):
    pair_a, pair_b = heads()
    noise = np.zeros(pair_b.shape, np.float32)
    noise[:, :3] = 0.5  # far from the head of either
    made = [
        generator_losses(model, batch(), places=(None, None, pair_a, target))["pair_ab_loss"]
        for target in (pair_b, pair_b + tf.minimum(noise, 0.1))
    ]
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("positions", [(), ("--position_channels=discriminator",)])
def test_a_step_finds_the_pair_in_its_batch(positions):
    model = tiny_model(*PAIRS, *positions)
    (real_a, real_b), (pair_a, pair_b) = batch(), heads()
    places = (tf.zeros([2]), tf.ones([2])) if positions else ()
    given = model._batch((real_a, real_b, *places, pair_a, pair_b))
    assert given.pair_a is pair_a and given.pair_b is pair_b
    assert given.place_b is (places[1] if places else None)
    logs = model.train_step((real_a, real_b, *places, pair_a, pair_b))
    expected = generator_losses(tiny_model(*PAIRS, *positions), (real_a, real_b),
                                places=(*(places or (None, None)), pair_a, pair_b))  # fmt: skip
    np.testing.assert_allclose(logs["pair_ab_loss"], np.mean(expected["pair_ab_loss"]), rtol=1e-5)


@pytest.mark.parametrize("pairs", [1, 3])
def test_parts_of_a_batch_have_their_own_pairs(pairs):
    data = (*batch(), *heads(2 * pairs))
    flags = (*PAIRS, "--pair_ssim_weight=3", f"--pairs_per_example={pairs}", "--batch_size=2")
    logs = [tiny_model(*flags, f"--accumulate_steps={parts}").train_step(data) for parts in (1, 2)]
    expected = generator_losses(tiny_model(*flags), batch(), places=(None, None, *data[2:]))
    assert expected["pair_ab_loss"].shape == expected["loss"].shape == (2,)
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=2e-4, err_msg=name)


def test_without_pairs_there_is_no_trace_of_them():
    model = tiny_model("--pairs=none")
    assert not model.learns_from_pairs and not any("pair" in name for name in model.trackers)
    assert Batch(*batch()).pair_a is None


def test_the_dissimilarity_is_one_less_the_published_similarity_inside_the_mask():
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 1, (3, 40, 36, 1))
    made = np.clip(target + rng.normal(0, [[[[0.02]]], [[[0.2]]], [[[0.0]]]], target.shape), 0, 1)
    mask = np.zeros(target.shape, bool)
    mask[0, 3:20, 8:30], mask[1, 25:, :], mask[2, 10:15, 10:15] = True, True, True
    expected = 1 - ssim(target, made, data_range=1.0, mask=mask)
    given = (tf.constant(2 * x - 1, tf.float32) for x in (target, made))
    np.testing.assert_allclose(masked_dissimilarity(*given, tf.constant(mask)), expected, atol=2e-5)
    empty = tf.zeros([1, 16, 16, 1])
    assert float(masked_dissimilarity(empty, empty, empty > 1)[0]) == 0


def test_the_dissimilarity_is_weighed_into_the_total_and_teaches_the_same_generator():
    model = tiny_model(*PAIRS, "--pair_ssim_weight=3")
    places = (None, None, *heads())
    with tf.GradientTape() as tape:
        values = generator_losses(model, batch(), places=places)
        value = tf.reduce_sum(values["pair_ssim_ab_loss"])
    without = generator_losses(tiny_model(*PAIRS), batch(), places=places)
    added = 3 * (values["pair_ssim_ab_loss"] + values["pair_ssim_ba_loss"])
    np.testing.assert_allclose(values["loss"] - without["loss"], added, rtol=1e-4)
    gradients = tape.gradient(value, model.generator_ab.trainable_variables)
    assert sum(float(tf.norm(g)) for g in gradients if g is not None) > 1e-3
    assert "pair_ssim_ab_loss" in model.train_step((*batch(), *heads()))
    assert "pair_ssim_ab_loss" not in tiny_model(*PAIRS).trackers
