"""RegGAN: its registration network, its warp and its losses against closed forms."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from tiny_models import batch, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.losses.paired import smoothness
from tfcyclegan.models.networks.registration import at_size, build_registration, warped

TINY = (
    *("--model=reggan", "--pairs=only", "--registration_filters=4", "--registration_size=16"),
    *("--pool_size=4", "--discriminator_images=2", "--position_channels=discriminator"),
)


@pytest.fixture(scope="module")
def model():
    return tiny_model(*TINY, "--pair_weight=20")


def given(n: int = 2, seed: int = 0) -> tuple:
    places = tf.constant(np.random.default_rng(seed).uniform(0, 1, (2, n)), tf.float32)
    return (*batch(n, seed), *tf.unstack(places))


@pytest.mark.parametrize(("filters", "size", "count"), [(32, 256, 2_058_018), (16, 64, 423_058)])
def test_the_registration_network_has_the_parameters_of_its_table(filters, size, count):
    network = build_registration(
        filters=filters, size=size, initializer="normal_0.02", seed=0, name="r"
    )
    assert network.count_params() == count
    images = np.random.default_rng(0).uniform(-1, 1, (1, size, size, 2)).astype(np.float32)
    moved = network(images).numpy()
    assert moved.shape == (1, size, size, 2) and 0 < np.abs(moved).max() < 1e-3


def field(rows: float, columns: float, size: int = 16) -> tf.Tensor:
    return tf.fill([1, size, size, 1], 1.0) * tf.constant([rows, columns], tf.float32)


def test_a_warp_by_nothing_is_exact_and_by_whole_pixels_a_shift_with_the_border_going_on():
    image = batch(1)[0][:, :16, :16]
    np.testing.assert_array_equal(warped(image, field(0, 0)), image)
    right = np.concatenate([image[:, :, 1:], image[:, :, -1:]], 2)
    np.testing.assert_allclose(warped(image, field(0, 1)), right, atol=1e-6)
    up = np.concatenate([image[:, :1], image[:, :1], image[:, :-2]], 1)
    np.testing.assert_allclose(warped(image, field(-2, 0)), up, atol=1e-6)
    assert np.isfinite(warped(image, field(1e4, -1e4))).all()


def test_a_displacement_that_is_no_number_makes_no_image_and_no_error():
    made = warped(tf.ones([1, 16, 16, 1]), field(float("nan"), 1.0))
    assert np.isnan(made).all()


def test_a_warp_is_what_scipy_interpolates():
    rng = np.random.default_rng(3)
    image = rng.uniform(-1, 1, (12, 17))
    moves = rng.uniform(-3, 3, (12, 17, 2))
    rows, columns = np.mgrid[:12, :17] + np.moveaxis(moves, -1, 0)
    expected = ndimage.map_coordinates(image, [rows, columns], order=1, mode="nearest")
    made = warped(tf.constant(image[None, ..., None]), tf.constant(moves[None]))
    np.testing.assert_allclose(made[0, ..., 0], expected, atol=1e-12)


def test_a_warp_has_the_gradient_of_its_differences():
    rng = np.random.default_rng(4)
    image = tf.constant(rng.uniform(-1, 1, (2, 6, 5, 1)))
    # Between pixels, and inside: at a pixel, and where the border begins, the slope jumps.
    moves = tf.constant(rng.integers(-1, 1, (2, 6, 5, 2)) + rng.uniform(0.1, 0.9, (2, 6, 5, 2)))
    theory, numbers = tf.test.compute_gradient(warped, [image, moves])
    for mine, measured in zip(theory, numbers, strict=True):
        np.testing.assert_allclose(mine, measured, atol=1e-4)


def test_a_displacement_of_a_small_image_is_that_of_a_larger_one_in_its_own_pixels():
    np.testing.assert_allclose(at_size(field(0.5, -1.5), 32), field(1.0, -3.0, 32), atol=1e-6)
    np.testing.assert_array_equal(at_size(field(1, 2), 16), field(1, 2))


def test_smoothness_of_a_ramp_is_half_the_square_of_its_slope():
    ramp = tf.range(16.0)[None, :, None, None] * tf.constant([0.3, 0.0]) + tf.zeros([2, 16, 16, 2])
    np.testing.assert_allclose(smoothness(ramp), [0.045, 0.045], rtol=1e-5)
    np.testing.assert_allclose(smoothness(tf.transpose(ramp, [0, 2, 1, 3])), 0.045, rtol=1e-5)
    np.testing.assert_array_equal(smoothness(field(3, 4)), [0.0])


def test_the_total_is_what_the_authors_code_adds_up(model):
    a, b, *places = given()
    fakes = {"a_to_b": b + 0.1, "b_to_a": a - 0.1}
    with pytest.MonkeyPatch.context() as patch:
        still = tf.zeros([2, 16, 16, 2]) + tf.range(16.0)[None, :, None, None] * [0.0, 0.2]
        patch.setattr(type(model), "displacement", lambda *_: 0.0 * still)
        values, _ = model.losses_of((a, b, *places), fakes)
        patch.setattr(type(model), "displacement", lambda *_: still)
        moved, _ = model.losses_of((a, b, *places), fakes)
    for way in ("ab", "ba"):
        np.testing.assert_allclose(values[f"pair_{way}_loss"], 0.1, rtol=1e-4)
        np.testing.assert_allclose(values[f"displacement_max_{way}"], 0.0)
        np.testing.assert_allclose(moved[f"smoothness_{way}_loss"], 0.02, rtol=1e-5)
        # 0.2 pixels of 16 for each of 16 rows are up to 6 of 32.
        np.testing.assert_allclose(moved[f"displacement_max_{way}"], 6.0, rtol=1e-5)
    adversarial = values["generator_ab_loss"] + values["generator_ba_loss"]
    np.testing.assert_allclose(values["loss"], adversarial + 2 * 20 * 0.1, rtol=1e-4)
    errors = moved["pair_ab_loss"] + moved["pair_ba_loss"]
    np.testing.assert_allclose(moved["loss"], adversarial + 20 * errors + 10 * 2 * 0.02, rtol=1e-5)


def test_the_error_teaches_both_the_generator_and_the_registration(model):
    a, b, *places = given()
    with tf.GradientTape() as tape:
        values, _ = model.losses_of((a, b, *places), model.translate((a, b)))
        error = tf.reduce_mean(values["pair_ab_loss"])
    networks = (model.generator_ab, model.registration_ab, model.registration_ba)
    mine, registration, other = gradients_of(tape, error, networks)
    assert mine > 0 and registration > 0 and other is None


def gradients_of(tape, error, networks) -> list:
    variables = [network.trainable_variables for network in networks]
    found = tape.gradient(error, variables)
    return [
        None if all(g is None for g in gradients) else float(tf.linalg.global_norm(gradients))
        for gradients in found
    ]


def test_neither_discriminator_nor_translation_sees_the_warp(model):
    data = given()
    fakes = model.translate(data)
    _, shown = model.losses_of(data, fakes)
    np.testing.assert_array_equal(shown["a_to_b"][..., :1], fakes["a_to_b"])


def test_a_shift_of_two_pixels_is_found():
    """The generator stays the identity: what is learnt is the registration alone."""
    network = build_registration(filters=8, size=32, initializer="he_normal", seed=1, name="r")
    optimizer = tf.keras.optimizers.Adam(1e-3)
    rng = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(rng.normal(size=(40, 40, 40)), (0, 2, 2))
    blobs = (blobs / np.abs(blobs).max()).astype(np.float32)

    @tf.function
    def step(fake, target):
        with tf.GradientTape() as tape:
            moved = network(tf.concat([fake, target], -1), training=True)
            error = tf.reduce_mean(tf.abs(warped(fake, moved) - target))
            total = 20.0 * error + 10.0 * tf.reduce_mean(smoothness(moved))
        gradients = tape.gradient(total, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return moved

    for _ in range(150):
        some = blobs[rng.integers(0, 40, 4), :, :, None]
        fake, target = some[:, 4:36, 4:36], some[:, 4:36, 6:38]
        moved = step(tf.constant(fake), tf.constant(target))
    inside = moved.numpy()[:, 4:-4, 4:-4].mean(axis=(0, 1, 2))
    np.testing.assert_allclose(inside, [0.0, 2.0], atol=0.3)


def test_parts_are_the_whole_batch():
    logs = [
        tiny_model(*TINY[:4], "--pool_size=0", "--batch_size=2", f"--accumulate_steps={parts}")
        .train_step(batch())
        for parts in (1, 2)
    ]  # fmt: skip
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-3, atol=1e-6, err_msg=name)


def test_a_warp_far_across_the_frame_is_cautioned_of(model):
    assert model.cautions({"displacement_max_ab": 1.5, "displacement_max_ba": 0.2}) == []
    (caution,) = model.cautions({"displacement_max_ab": 1.7, "displacement_max_ba": 0.2})
    assert "registration_ab" in caution and "1.7 pixels" in caution


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=auto",), "reggan learns from pairs and nothing else"),
        (("--cycle_weight=5",), "--cycle_weight means nothing to --model=reggan"),
        (("--match_slice_position=0.1",), "--match_slice_position means nothing"),
        (("--pair_ssim_weight=1",), "--pair_ssim_weight means nothing"),
        (("--pairs_per_example=2",), "--pairs_per_example means nothing"),
        (("--nce_patches=7",), "--nce_patches means nothing to --model=reggan"),
        (("--registration_size=24",), "--registration_size is a power of 2"),
        (("--registration_size=64",), "--registration_size is a power of 2"),
        (("--image_size=40", "--registration_size=0"), "--registration_size is a power of 2"),
        (
            ("--model=pix2pix", "--pool_size=0", "--discriminator_images=1"),
            "--registration_filters means nothing to --model=pix2pix",
        ),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", "--image_size=32", *TINY, *flags)
