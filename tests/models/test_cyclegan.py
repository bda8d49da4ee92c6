"""The train step: who gets which gradient, what is updated, and that the logs are true."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism  # has no public name
from tiny_models import batch, discriminators_taught, generator_losses, tiny_model

from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import training_batches
from tfcyclegan.data.slices import Slices
from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.cyclegan.objective import DIAGNOSED, TRACKED
from tfcyclegan.models.losses import adversarial


def with_rates(model, generators: float, discriminators: float):
    """Recompiles with plain gradient descent at these rates."""
    model.compile(
        generator_optimizer=keras.optimizers.SGD(generators),
        discriminator_optimizer=keras.optimizers.SGD(discriminators),
        objective=model.objective,
    )
    return model


def norms(tape, value, model) -> float:
    gradients = tape.gradient(value, model.trainable_variables)
    return sum(float(tf.norm(g)) for g in gradients if g is not None)


@pytest.fixture(scope="module")
def model():
    return tiny_model("--identity_weight=0.5")


@pytest.mark.parametrize("cycle", ["cycle_a_loss", "cycle_b_loss"])
@pytest.mark.parametrize("generator", ["generator_ab", "generator_ba"])
def test_both_cycle_terms_reach_both_generators(model, cycle, generator):
    real_a, real_b = batch()
    with tf.GradientTape() as tape:
        values = generator_losses(model, (real_a, real_b))
        value = tf.reduce_mean(values[cycle])
    assert norms(tape, value, getattr(model, generator)) > 1e-3


def test_the_total_is_equation_9_term_by_term(model):
    real_a, real_b = batch()
    made = model.translate(Batch(real_a, real_b))
    np.testing.assert_allclose(made["fake_b"], model.generator_ab(real_a), atol=1e-5)
    np.testing.assert_allclose(made["identity_b"], model.generator_ab(real_b), atol=1e-5)
    np.testing.assert_allclose(made["cycled_a"], model.generator_ba(made["fake_b"]), atol=1e-5)
    np.testing.assert_allclose(made["cycled_b"], model.generator_ab(made["fake_a"]), atol=1e-5)

    def l1(x, y):
        return np.abs(np.asarray(x) - np.asarray(y)).mean(axis=(1, 2, 3))

    def entropy(scores):  # -log sigmoid
        return np.log1p(np.exp(-np.asarray(scores, np.float64))).mean(axis=(1, 2, 3))

    expected = (
        entropy(model.discriminator_b(made["fake_b"]))
        + entropy(model.discriminator_a(made["fake_a"]))
        + 10.0 * (l1(real_a, made["cycled_a"]) + l1(real_b, made["cycled_b"]))
        + 5.0 * (l1(real_a, made["identity_a"]) + l1(real_b, made["identity_b"]))
    )
    values = generator_losses(model, (real_a, real_b), made)
    np.testing.assert_allclose(values["loss"], expected, rtol=1e-5)


def test_adversarial_terms_reach_their_own_generator_only(model):
    real_a, real_b = batch()
    with tf.GradientTape(persistent=True) as tape:
        values = generator_losses(model, (real_a, real_b))
    assert norms(tape, values["generator_ab_loss"], model.generator_ab) > 1e-3
    assert norms(tape, values["generator_ab_loss"], model.generator_ba) == 0


def test_discriminators_learn_on_detached_fakes():
    model = with_rates(tiny_model(), 0.0, 1.0)
    before = [w.numpy() for w in model.generator_variables]
    critics = [w.numpy() for w in model.discriminators.variables]
    model.train_step(batch())
    for old, new in zip(before, model.generator_variables, strict=True):
        np.testing.assert_array_equal(old, new)
    moved = [
        np.abs(o - n).max() for o, n in zip(critics, model.discriminators.variables, strict=True)
    ]
    assert min(moved) > 0


def test_generators_leave_discriminators_alone():
    model = with_rates(tiny_model(), 1.0, 0.0)
    critics = [w.numpy() for w in model.discriminators.variables]
    model.train_step(batch())
    for old, new in zip(critics, model.discriminators.variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_discriminator_loss_tells_real_from_fake():
    model = tiny_model("--adversarial_loss=lsgan")
    real, fake = batch()
    made = model.discriminators._judged("a", real, fake, model.objective)["discriminator_a_loss"]
    expected = adversarial.discriminator_adversarial_loss(
        model.discriminator_a(real), model.discriminator_a(fake), kind="lsgan"
    )
    np.testing.assert_allclose(made, expected, rtol=1e-4)


def test_logs_are_means_over_the_epoch_under_their_documented_names():
    model = with_rates(tiny_model("--identity_weight=0.5"), 0.0, 0.0)
    first, second = batch(seed=1), batch(seed=2)
    singles = []
    for data in (first, second):
        values = generator_losses(model, data)
        singles.append(float(tf.reduce_mean(values["loss"])))
    model.train_step(first)
    logs = model.train_step(second)
    assert set(logs) == {*TRACKED, *DIAGNOSED}
    assert float(logs["loss"]) == pytest.approx(np.mean(singles), rel=1e-4)


def test_flags_choose_the_kind_of_generator_and_the_discriminators_rate():
    model = tiny_model("--generator=unet", "--discriminator_learning_rate=4e-4", "--ema_decay=0.9")
    for generator in (model.generator_ab, model.generator_ba, model.translators["a_to_b"]):
        assert any("concatenate" in layer.name for layer in generator.layers)
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-4)
    assert float(model.discriminator_optimizer.learning_rate) == pytest.approx(4e-4)
    assert float(tiny_model().discriminator_optimizer.learning_rate) == pytest.approx(2e-4)


def test_logged_gradient_norms_are_those_of_the_steps_that_were_taken():
    model = with_rates(tiny_model(), 1.0, 1.0)
    nets = {"generator": model.generator_variables, "discriminator": model.discriminators.variables}
    before = {name: [v.numpy() for v in variables] for name, variables in nets.items()}
    logs = model.train_step(batch())
    for name, variables in nets.items():  # descent at rate 1 moves the weights by the gradient
        moved = [np.sum((v.numpy() - b) ** 2) for v, b in zip(variables, before[name], strict=True)]
        norm = float(logs[f"{name}_gradient_norm"])
        assert norm == pytest.approx(np.sqrt(np.sum(moved)), rel=1e-3)


def test_logged_accuracies_are_those_of_the_discriminators_scores():
    model = with_rates(tiny_model(), 0.0, 0.0)
    real_a, real_b = batch()
    fake = model.translate(Batch(real_a, real_b))["fake_a"]
    logs = model.train_step((real_a, real_b))
    real_right = np.mean(np.asarray(model.discriminator_a(real_a)) > 0)
    fake_right = np.mean(np.asarray(model.discriminator_a(fake)) <= 0)
    assert float(logs["discriminator_a_accuracy_real"]) == pytest.approx(real_right, abs=1e-6)
    assert float(logs["discriminator_a_accuracy_fake"]) == pytest.approx(fake_right, abs=1e-6)


def test_eager_and_graph_take_the_same_step():
    models = [tiny_model("--ema_decay=0.9"), tiny_model("--ema_decay=0.9")]
    models[0].train_step(batch())
    tf.function(models[1].train_step)(batch())
    for x, y in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_the_moving_average_follows_its_formula_and_is_what_translates():
    model = tiny_model("--ema_decay=0.9")
    start = model.generator_ab.get_weights()
    model.train_step(batch())
    expected = [
        0.9 * s + 0.1 * w for s, w in zip(start, model.generator_ab.get_weights(), strict=True)
    ]
    for made, wanted in zip(model.average_ab.get_weights(), expected, strict=True):
        np.testing.assert_allclose(made, wanted, atol=1e-6)
    assert model.translators["a_to_b"] is model.average_ab
    assert tiny_model().translators["a_to_b"].name == "generator_ab"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_on_blank_slices_without_nan(precision):
    keras.config.set_dtype_policy(precision)
    try:
        model = tiny_model(f"--precision={precision}", "--pool_size=2")
        step = tf.function(model.train_step)
        blank, (real_a, real_b) = tf.fill([1, 32, 32, 1], -1.0), batch(1)
        for images in ((blank, real_b), (real_a, blank), *[(blank, blank)] * 3):
            logs = step(images)
        assert all(np.isfinite(float(value)) for value in logs.values())
        assert all(np.isfinite(w).all() for w in model.get_weights())
        for values, gradients in (
            model._taught_generators(real_a, real_b),
            discriminators_taught(model, (real_a, real_b), (real_a, real_b)),
        ):
            assert {value.dtype for value in values.values()} == {tf.float32}
            assert {gradient.dtype for gradient in gradients} == {tf.float32}
        assert model.translators["a_to_b"](real_a).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_number_of_input_threads_changes_no_bit_of_the_weights():
    rng = np.random.default_rng(0)
    position = {"geom/slice_frac": np.zeros(6, np.float32)}
    slices = [Slices(rng.integers(0, 65535, (6, 32, 32), np.uint16), position) for _ in "ab"]
    model = tiny_model("--seed=3")
    step = tf.function(model.train_step)
    optimizers = model.optimizer, model.discriminator_optimizer
    state = [*model.variables, *(v for optimizer in optimizers for v in optimizer.variables)]
    start, ends = [variable.numpy() for variable in state], []
    keras.utils.set_random_seed(3)
    tf.config.experimental.enable_op_determinism()
    try:
        for threads in (1, 4):
            for variable, value in zip(state, start, strict=True):
                variable.assign(value)
            options = tf.data.Options()
            options.threading.private_threadpool_size = threads
            batches = training_batches(
                *slices,
                batch_size=2,
                first_step=0,
                seed=3,
                augmentation=Augmentation(("horizontal",), (30.0, 90.0), 0.5, 0.2),
            )
            for images in batches.with_options(options).take(5):
                step(images)
            ends.append([variable.numpy() for variable in state])
    finally:
        disable_op_determinism()
    for one, four in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, four)
    assert sum(np.abs(end - before).sum() for end, before in zip(ends[0], start, strict=True)) > 0
