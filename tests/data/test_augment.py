"""Rotation against tensorflow-addons, and what each augmentation must leave alone."""

import numpy as np
import pytest
import tensorflow as tf
from places import TFA_REFERENCE

from tfcyclegan.data.augment import Augmentation, augment, rotate

GOLDEN = np.load(TFA_REFERENCE)
"""Made by golden/gen_tfa_reference.py under tensorflow-addons 0.23.0."""


def seed(n: int) -> tf.Tensor:
    return tf.constant([7, n], tf.int64)


def looks(image: np.ndarray, settings: Augmentation, count: int = 200) -> np.ndarray:
    make = tf.function(lambda n: augment(tf.constant(image), tf.stack([7, n]), settings))
    return np.stack([make(tf.constant(n, tf.int64)) for n in range(count)])


@pytest.mark.parametrize("degrees", [30, 60, 90])
@pytest.mark.parametrize("key", ["rot", "rotrect"])
def test_rotation_equals_tensorflow_addons_to_the_bit(key, degrees):
    source = GOLDEN["rot_x" if key == "rot" else "rot_x_rect"]
    made = rotate(tf.constant(source), np.float32(degrees * np.pi / 180))
    np.testing.assert_array_equal(made, GOLDEN[f"{key}_bilinear_{degrees}_constant"])


def test_rotation_by_one_angle_per_image_and_fill_value_equal_tensorflow_addons():
    angles = GOLDEN["rot_perimage_deg"] * np.pi / 180
    made = rotate(tf.constant(GOLDEN["rot_x"]), angles)
    np.testing.assert_array_equal(made, GOLDEN["rot_perimage_bilinear_constant"])
    made = rotate(tf.constant(GOLDEN["rot_x"]), np.float32(np.pi / 6), fill_value=-1.0)
    np.testing.assert_array_equal(made, GOLDEN["rot_bilinear_30_constant_m1"])


def test_positive_angles_turn_counter_clockwise():
    image = np.random.default_rng(0).uniform(size=(1, 16, 16, 1)).astype("float32")
    made = rotate(tf.constant(image), np.float32(np.pi / 2))[0, :, :, 0]
    np.testing.assert_allclose(made, np.rot90(image[0, :, :, 0]), atol=1e-5)


HEAD = np.zeros((16, 16, 1), "float32")
HEAD[3:14, 4:12] = np.linspace(0.2, 0.6, 88).reshape(11, 8, 1)


def test_the_default_changes_nothing():
    np.testing.assert_array_equal(looks(HEAD, Augmentation(), 3), np.stack([HEAD] * 3))


def test_flips_are_fair_and_along_their_own_axis():
    made = looks(HEAD, Augmentation(flips=("horizontal",)))
    mirrored = (made == HEAD[:, ::-1]).all(axis=(1, 2, 3))
    assert ((made == HEAD).all(axis=(1, 2, 3)) | mirrored).all()
    assert 0.38 < mirrored.mean() < 0.62
    made = looks(HEAD, Augmentation(flips=("vertical",)))
    assert (made == HEAD[::-1]).all(axis=(1, 2, 3)).any()


def test_each_rotation_and_none_are_equally_likely():
    made = looks(HEAD, Augmentation(rotations=(30.0, 60.0, 90.0)), 400)
    kinds = np.unique(made.reshape(400, -1), axis=0, return_counts=True)[1]
    assert len(kinds) == 4 and kinds.min() > 70 and kinds.max() < 130


def test_brightness_is_a_gain_up_to_half_and_black_stays_black():
    made = looks(HEAD, Augmentation(brightness=0.5))
    assert (made[:, HEAD == 0] == 0).all()
    gains = made[:, 5, 5, 0] / HEAD[5, 5, 0]
    assert gains.min() < 0.55 and gains.max() > 1.45
    assert gains.min() >= 0.5 - 1e-6 and gains.max() <= 1.5 + 1e-6
    assert made.max() <= 1.0


def test_contrast_keeps_the_mean_of_the_head_and_the_background():
    made = looks(HEAD, Augmentation(contrast=0.3))
    assert (made[:, HEAD == 0] == 0).all()
    inside = made[:, HEAD > 0]
    np.testing.assert_allclose(inside.mean(axis=1), HEAD[HEAD > 0].mean(), atol=1e-3)
    ratio = inside.std(axis=1) / HEAD[HEAD > 0].std()
    assert ratio.min() < 0.75 and ratio.max() > 1.25


def test_enlarge_and_crop_is_every_window_of_pillows_larger_image():
    pillow = pytest.importorskip("PIL.Image")
    settings = Augmentation(enlarge_crop=286 / 256)
    large = pillow.fromarray(HEAD[..., 0]).resize((18, 18), pillow.BICUBIC)  # 16 x 1.117 = 17.9
    large = np.clip(np.asarray(large), 0, 1)
    windows = {(y, x): large[y : y + 16, x : x + 16] for y in range(3) for x in range(3)}
    seen = []
    for image in looks(HEAD, settings):
        errors = {place: np.abs(image[..., 0] - part).max() for place, part in windows.items()}
        seen.append(min(errors, key=errors.get))
        assert errors[seen[-1]] < 2e-6
    counts = [seen.count(place) for place in windows]
    assert min(counts) > 8 and max(counts) < 40  # 200 draws of 9 places: 22 each


def test_a_window_leaves_all_other_draws_as_they_are():
    flips, both = (Augmentation(flips=("horizontal",), enlarge_crop=f) for f in (0.0, 1.2))
    flat = np.where(np.arange(16) < 8, 0.2, 0.8).astype("float32")
    image = np.broadcast_to(flat[None, :, None], (16, 16, 1))
    turned, cut = (looks(image, settings)[:, 8, 0, 0] > 0.5 for settings in (flips, both))
    np.testing.assert_array_equal(turned, cut)


def test_the_look_is_a_function_of_the_seed_alone_eager_and_mapped():
    settings = Augmentation(("horizontal", "vertical"), (30.0, 90.0), 0.5, 0.2, 1.1)
    mapped = tf.data.Dataset.range(12).map(
        lambda n: augment(tf.constant(HEAD), tf.stack([7, n]), settings), num_parallel_calls=2
    )
    for n, image in enumerate(mapped.as_numpy_iterator()):
        np.testing.assert_allclose(image, augment(tf.constant(HEAD), seed(n), settings), atol=1e-6)
