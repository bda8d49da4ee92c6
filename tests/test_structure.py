"""Structure losses in closed form, against NumPy, and for what they must not and must notice."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfcyclegan import structure

SIZE = 32
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE


def batch(*images: np.ndarray) -> tf.Tensor:
    return tf.constant(np.stack(images)[..., np.newaxis], tf.float32)


def anatomy(seed: int = 0) -> np.ndarray:
    """A smooth texture, as anatomy is, with values from -1 to 1."""
    noise = np.random.default_rng(seed).normal(size=(SIZE, SIZE))
    smooth = ndimage.gaussian_filter(noise, 1.5, mode="wrap")
    return (smooth / np.abs(smooth).max()).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 30, 90, 180])
def test_ngf_of_two_ramps_is_the_sine_of_their_angle(degrees):
    # Everywhere |grad| is its own mean, so |n|^2 = 1 / (1 + 1) for both, and <n, n'> = cos / 2.
    angle = np.deg2rad(degrees)
    ramp = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    made = structure.ngf_loss(batch(COLUMNS), batch(ramp))
    np.testing.assert_allclose(made, [1 - (np.cos(angle) / 2) ** 2], atol=1e-5)


@pytest.mark.parametrize("change", [lambda x: -x, lambda x: 3 * x + 0.5, lambda x: 0.2 - 0.3 * x])
def test_ngf_ignores_inversion_gain_and_offset(change):
    x = anatomy()
    made = structure.ngf_loss(batch(x), batch(change(x)))
    np.testing.assert_allclose(made, structure.ngf_loss(batch(x), batch(x)), rtol=1e-4)


@pytest.mark.parametrize("kind", structure.STRUCTURE)
def test_a_shift_by_one_pixel_costs_and_is_judged_per_example(kind):
    x = anatomy()
    moved = np.roll(x, 1, axis=1)
    same, shifted = structure.structure_loss(batch(x, x), batch(x, moved), kind=kind).numpy()
    floor = structure.structure_loss(batch(x), batch(x), kind=kind).numpy()[0]
    other = structure.structure_loss(batch(x), batch(anatomy(1)), kind=kind).numpy()[0]
    assert same == pytest.approx(floor, abs=1e-6)
    # A pixel is a third of the way to an unrelated image, at least.
    assert shifted - floor > (other - floor) / 3 > 0.02


def numpy_mind(image: np.ndarray) -> np.ndarray:
    """The descriptor written out pixel by pixel in float64."""
    image, size = image.astype(np.float64), len(image)
    distances = np.zeros((size - 4, size - 4, 4))
    for i in range(2, size - 2):
        for j in range(2, size - 2):
            patch = image[i - 1 : i + 2, j - 1 : j + 2]
            for k, (u, v) in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
                there = image[i + u - 1 : i + u + 2, j + v - 1 : j + v + 2]
                distances[i - 2, j - 2, k] = np.mean((patch - there) ** 2)
    variance = distances.mean(axis=-1, keepdims=True)
    descriptor = np.exp(-distances / (variance + 0.01 * variance.mean()))
    return descriptor / descriptor.max(axis=-1, keepdims=True)


def test_mind_equals_an_independent_implementation():
    made = structure.mind(batch(anatomy(), anatomy(1)))
    expected = np.stack([numpy_mind(anatomy()), numpy_mind(anatomy(1))])
    assert made.shape == (2, SIZE - 4, SIZE - 4, 4)
    np.testing.assert_allclose(made, expected, atol=1e-4)
    difference = np.abs(expected[0] - expected[1]).mean()
    loss = structure.mind_loss(batch(anatomy()), batch(anatomy(1)))
    np.testing.assert_allclose(loss, [difference], rtol=1e-3)


def test_mind_ignores_gain_and_offset_everywhere_and_nearly_so_where_they_vary():
    x = anatomy()
    unrelated = float(structure.mind_loss(batch(x), batch(anatomy(1)))[0])
    for image in (0.4 * x - 0.2, 0.1 - x):
        assert float(structure.mind_loss(batch(x), batch(image))[0]) < 1e-4
    local = (1 + 0.5 * COLUMNS) * x + 0.3 * ROWS
    assert float(structure.mind_loss(batch(x), batch(local))[0]) < unrelated / 5


@pytest.mark.parametrize("kind", structure.STRUCTURE)
def test_blank_images_have_finite_losses_and_gradients(kind):
    blank = tf.Variable(batch(np.full((SIZE, SIZE), -1.0)))
    for other in (batch(anatomy()), batch(np.full((SIZE, SIZE), 1.0))):
        with tf.GradientTape() as tape:
            loss = structure.structure_loss(blank, other, kind=kind)
        assert np.isfinite(loss).all() and np.isfinite(tape.gradient(loss, blank)).all()


def test_unknown_structure_loss_is_named():
    with pytest.raises(ValueError, match="expected one of .*ngf.*Received: 'ssim'"):
        structure.structure_loss(batch(anatomy()), batch(anatomy()), kind="ssim")
