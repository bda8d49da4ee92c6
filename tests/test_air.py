"""Head and air of slices against SciPy, and air that generators must leave as it is."""

import numpy as np
import pytest
import tensorflow as tf
from record_sets import head as drawn_head

from tfcyclegan import doctor, networks
from tfcyclegan.air import KeepAir, head


def test_the_head_is_what_scipy_finds():
    """A disc with a dark hole, and specks in the air that the opening removes."""
    image = (drawn_head("flair", 0, 3, 4) / 65535).astype(np.float32)
    image[image == 0.15] = 0.0
    image[5, 5] = image[5, 250] = image[250, 5] = 1.0
    found = head(image[np.newaxis, ..., np.newaxis]).numpy()[0, ..., 0]
    expected = doctor.head(image)
    assert expected[128, 128] and not found[:10].any()
    # SciPy's structuring element is a cross and this one a square: the outlines differ by a pixel.
    assert np.mean(found != expected) < 0.005


def test_dark_fluid_is_head_and_a_blank_slice_counts_as_a_whole():
    image = np.zeros((2, 20, 20, 1), np.float32)
    image[0, 4:16, 4:16] = 0.5
    image[0, 8:12, 8:12] = 0.0
    expected = np.zeros((20, 20), bool)
    expected[4:16, 4:16] = True
    found = head(image).numpy()[..., 0]
    np.testing.assert_array_equal(found[0], expected)
    assert found[1].all()


@pytest.mark.parametrize("kind", ["curves", "resnet", "unet"])
def test_a_generator_that_keeps_air_changes_the_head_and_nothing_else(kind):
    settings = {"filters": 4, "blocks": 1, "upsampling": "transpose", "seed": 1, "name": "g"}
    settings |= {"kind": kind, "initializer": "he_normal"}
    free, kept = (networks.build_generator(**settings, keep_air=keep) for keep in (False, True))
    image = np.full((1, 34, 37, 1), -1.0, np.float32)
    image[0, 8:26, 9:30] = 0.2
    image[0, 14:18, 14:18] = -1.0  # fluid of a FLAIR, as black as air
    image[0, 2, 3] = -0.9  # noise
    inside = np.zeros(image.shape, bool)
    inside[0, 8:26, 9:30] = True
    expected = np.where(inside, free(image), image)
    np.testing.assert_array_equal(kept(image), expected)
    assert (free(image).numpy() != image)[~inside].mean() > 0.9


def test_no_gradient_comes_from_air_and_all_of_it_from_the_head():
    source = np.full((1, 20, 20, 1), -1.0, np.float32)
    source[0, 5:15, 5:15] = 0.0
    translated = tf.zeros_like(source)
    with tf.GradientTape() as tape:
        tape.watch(translated)
        total = tf.reduce_sum(KeepAir()([translated, source]))
    np.testing.assert_array_equal(tape.gradient(total, translated), source == 0.0)
