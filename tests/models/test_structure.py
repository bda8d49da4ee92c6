"""Structure losses in closed form, and for what they must not and must notice."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfcyclegan.models.losses import structure

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
