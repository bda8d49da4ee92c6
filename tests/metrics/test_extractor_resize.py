"""The three resizes against Pillow, closed forms, and each other."""

import numpy as np
import pytest
from PIL import Image

from tfcyclegan.metrics.extractors.resize import RESIZERS, clean, half_pixel, ttur

GREY_LEVELS = 0.01
"""TensorFlow and Pillow sum in different orders; the two agree to 0.002 grey levels."""


def texture(side):
    """A picture with structure at every scale, float32 [1, side, side, 1] in [0, 255]."""
    rng = np.random.default_rng(side)
    return (255 * rng.random((1, side, side, 1)) ** 2).astype(np.float32)


@pytest.mark.parametrize("side", [256, 240, 512])
def test_clean_equals_pillow(side):
    images = texture(side)
    expected = Image.fromarray(images[0, ..., 0], mode="F").resize((299, 299), Image.BICUBIC)
    expected = np.clip(np.asarray(expected), 0, 255)
    np.testing.assert_allclose(clean(images, 299)[0, ..., 0], expected, atol=GREY_LEVELS)
    # Neither other way is the same, nor bicubic without smoothing where it shrinks.
    for other in (ttur, half_pixel):
        assert np.abs(other(images, 299)[0, ..., 0] - expected).max() > 5


def test_half_pixel_equals_pillow_where_it_enlarges():
    images = texture(256)
    expected = Image.fromarray(images[0, ..., 0], mode="F").resize((299, 299), Image.BILINEAR)
    np.testing.assert_allclose(half_pixel(images, 299)[0, ..., 0], expected, atol=GREY_LEVELS)


@pytest.mark.parametrize(("side", "wanted"), [(10, 25), (30, 13)])
def test_bilinear_ways_sample_a_ramp_where_they_say(side, wanted):
    ramp = np.broadcast_to(np.arange(side, dtype=np.float32)[None, :, None, None], (1, side, 4, 1))
    places = np.arange(wanted) * side / wanted
    top = side - 1
    np.testing.assert_allclose(ttur(ramp, wanted)[0, :, 0, 0], np.minimum(places, top), atol=1e-4)
    centres = (np.arange(wanted) + 0.5) * side / wanted - 0.5
    np.testing.assert_allclose(
        half_pixel(ramp, wanted)[0, :, 0, 0], np.clip(centres, 0, top), atol=1e-4
    )


def test_images_of_the_wanted_size_stay():
    images = texture(32)
    for resize in RESIZERS.values():
        np.testing.assert_allclose(resize(images, 32), images, atol=1e-3)
