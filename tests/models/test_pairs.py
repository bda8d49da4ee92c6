"""Pairs in the train step: the loss in closed form, whom it teaches, and that it is off without."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, generator_losses, tiny_model

from tfcyclegan.metrics import ssim
from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.cyclegan.pairs import shares_of_pairs
from tfcyclegan.models.losses.paired import bright_in_both, masked_dissimilarity, masked_l1
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
    target = rng.uniform(0, 0.5, (3, 40, 36, 1))
    noise = rng.normal(0, [[[[0.01]]], [[[0.1]]], [[[0.0]]]], target.shape)
    made = np.clip(target + noise, 0, 0.5)
    mask = np.zeros(target.shape, bool)
    mask[0, 3:20, 8:30], mask[1, 25:, :], mask[2, 10:15, 10:15] = True, True, True
    expected = 1 - ssim(target, made, data_range=0.5, mask=mask)
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


def test_what_is_bright_in_both_is_counted_in_means_of_the_head():
    one, other = np.full((2, 1, 4, 4, 1), -1.0, np.float32)
    one[0, :2, :, 0], other[0, :2, :, 0] = 0.0, -0.6  # tissue: 0.5 and 0.2 of 1
    one[0, 0, 0], other[0, 0, 0] = 1.0, 0.8  # a lesion
    one[0, 0, 1], other[0, 0, 1] = 1.0, -1.0  # fluid, which is air in the other one
    means = (6 * 0.5 + 1 + 1) / 8, (6 * 0.2 + 0.9) / 7
    expected = np.zeros(one.shape)
    expected[0, 0, 0] = min(1 / means[0], 0.9 / means[1]) - 1.2
    np.testing.assert_allclose(bright_in_both(one, other), expected, rtol=1e-5)
    half = (one + 1) / 2 - 1  # the same slice, half as bright
    np.testing.assert_allclose(bright_in_both(half, other), expected, rtol=1e-5)
    np.testing.assert_array_equal(bright_in_both(one, other * 0 - 1), 0)


def test_a_lesion_counts_more_in_the_error_and_nothing_else_does():
    flags = (*PAIRS, "--pair_ssim_weight=3")
    head, lesion = np.zeros((2, 2, 32, 32, 1), bool)
    head[:, 8:24, 8:24] = lesion[:, 10:12, 10:12] = True
    pair = [np.where(lesion, bright, -0.2) for bright in (0.9, 0.8)]
    pair = [tf.constant(np.where(head, one, -1.0), tf.float32) for one in pair]
    values = [
        generator_losses(tiny_model(*flags, *more), batch(), places=(None, None, *pair))
        for more in ((), ("--lesion_emphasis=4",))
    ]
    inside = near_head((pair[0] + 1) / 2).numpy() | near_head((pair[1] + 1) / 2).numpy()
    more = np.asarray(bright_in_both(*pair))
    np.testing.assert_array_equal(more > 0, lesion)
    error = np.abs(tiny_model(*flags).generator_ab(pair[0]).numpy() - pair[1].numpy())
    added = [(4 * more * error)[i][inside[i]].sum() / inside[i].sum() for i in range(2)]
    difference = {name: np.asarray(values[1][name] - values[0][name]) for name in values[0]}
    np.testing.assert_allclose(difference["pair_ab_loss"], added, rtol=2e-3)
    assert not difference["pair_ssim_ab_loss"].any()
    errors = difference["pair_ab_loss"] + difference["pair_ba_loss"]
    np.testing.assert_allclose(difference["loss"], 7 * errors, rtol=2e-3)


def test_each_update_has_its_own_pairs_of_every_example():
    numbers = tf.reshape(tf.range(12.0), [12, 1, 1, 1])
    given = Batch(None, None, pair_a=numbers, pair_b=numbers + 100)
    shares = shares_of_pairs(given, examples=2, updates=3)
    expected = [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    for (a, b), numbers in zip(shares, expected, strict=True):
        assert np.ravel(a).tolist() == numbers and np.array_equal(b, a + 100)


def weights_of(model) -> list[np.ndarray]:
    return [np.array(v) for n in model.networks.values() for v in n.trainable_variables]


@pytest.mark.parametrize("parts", [1, 2])
def test_an_update_from_pairs_alone_is_one_of_adam_on_their_error(parts):
    flags = (*PAIRS, "--pair_ssim_weight=3", "--batch_size=2", f"--accumulate_steps={parts}")
    model, other = tiny_model(*flags), tiny_model(*flags)
    pairs = heads(4)
    with tf.GradientTape() as tape:
        places = (None, None, *pairs)
        values = generator_losses(other, batch(4), places=places)
        names = other.objective.pair_weights
        total = tf.add_n([w * tf.reduce_mean(values[name]) for name, w in names.items()])
    gradients = tape.gradient(total, other.generator_variables)
    other.optimizer.apply(gradients, other.generator_variables)
    assert model._learn_from_pairs(*pairs, before=tf.constant(True))
    assert int(model.optimizer.iterations) == 1
    assert int(model.discriminator_optimizer.iterations) == 0
    # Adam's first step is the rate times the gradient's sign, where there is any to speak of.
    for one, two, gradient in zip(weights_of(model), weights_of(other), gradients, strict=False):
        clear = np.abs(gradient) > 1e-5
        np.testing.assert_allclose(one[clear], two[clear], atol=2e-6)


def test_a_step_learns_from_all_of_its_pairs_one_after_the_other():
    flags = (*PAIRS, "--batch_size=2", "--ema_decay=0.9")
    model, other = tiny_model(*flags, "--pair_updates=3"), tiny_model(*flags)
    reals, pairs = batch(), heads(6)
    logs = model.train_step((*reals, *pairs))
    for first in (0, 1):
        assert other._learn_from_pairs(*(x[first::3] for x in pairs), before=tf.constant(True))
    expected = other.train_step((*reals, *(x[2::3] for x in pairs)))
    assert int(model.optimizer.iterations) == 3
    assert int(model.discriminator_optimizer.iterations) == 1
    for one, two in zip(weights_of(model), weights_of(other), strict=True):
        np.testing.assert_array_equal(one, two)
    assert {name: float(v) for name, v in logs.items()} == {
        name: float(v) for name, v in expected.items()
    }


def test_the_rate_reaches_zero_with_the_last_update():
    model = tiny_model(*PAIRS, "--pair_updates=3", "--epochs=4", "--decay_start_epoch=2")
    rates = [float(model.optimizer._learning_rate(step)) for step in (0, 60, 90, 120)]
    np.testing.assert_allclose(np.array(rates) / rates[0], [1, 1, 0.5, 0])
    ends = [float(model.discriminator_optimizer._learning_rate(step)) for step in (20, 40)]
    np.testing.assert_allclose(np.array(ends) / rates[0], [1, 0])


def test_from_a_pair_that_is_not_finite_on_a_step_changes_nothing():
    flags = (*PAIRS, "--batch_size=2", "--pair_updates=3")
    model, other = tiny_model(*flags), tiny_model(*flags)
    reals, (pair_a, pair_b) = batch(), heads(6)
    bad = tf.constant([1.0, np.nan, 1.0, 1.0, 1.0, 1.0])[:, None, None, None]
    for steps in (1, 2):
        model.train_step((*reals, pair_a * bad, pair_b))
        other._learn_from_pairs(pair_a[::3], pair_b[::3], before=tf.constant(True))
        assert int(model.guard.skipped) == int(model.guard.in_a_row) == steps
    for one, two in zip(weights_of(model), weights_of(other), strict=True):
        np.testing.assert_array_equal(one, two)
    model.train_step((*reals, pair_a, pair_b))
    assert int(model.guard.skipped) == 2 and int(model.guard.in_a_row) == 0
