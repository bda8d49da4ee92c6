"""Discriminators of local intensity: their statistics against NumPy, and what they can see."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.local_intensity import CELL, LocalStatistics, build_intensity_discriminator


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


def cells(image: np.ndarray) -> np.ndarray:
    """[H, W] to [H / CELL, W / CELL, CELL * CELL]; what is left over is cut."""
    rows, columns = image.shape[0] // CELL, image.shape[1] // CELL
    cut = image[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    return cut.swapaxes(1, 2).reshape(rows, columns, -1).astype(np.float64)


@pytest.mark.parametrize("shape", [(32, 32), (36, 23)])
@pytest.mark.parametrize("channels", [1, 2])
def test_statistics_equal_numpy_eager_and_in_a_graph(shape, channels):
    image = images(2, *shape, channels)
    expected = [
        np.stack(
            [
                *(cells(one[..., c]).mean(-1) for c in range(channels)),
                np.sqrt(cells(one[..., 0]).var(-1) + 1e-4),
            ],
            axis=-1,
        )
        for one in image
    ]
    anything = tf.TensorSpec([None, None, None, channels])
    for way in (LocalStatistics(), tf.function(LocalStatistics(), input_signature=[anything])):
        np.testing.assert_allclose(way(image), expected, atol=1e-5)


def test_a_flat_cell_has_a_finite_gradient_and_half_precision_keeps_its_deviation():
    flat = tf.Variable(np.full((1, 16, 16, 1), -1.0, np.float32))
    with tf.GradientTape() as tape:
        made = LocalStatistics()(flat)
    np.testing.assert_allclose(made[..., 1], 0.01, rtol=1e-4)
    assert np.isfinite(tape.gradient(made, flat)).all()
    # 0.9 and 0.91 in turn: in bfloat16 the squares' mean would lose a deviation of 0.005.
    textured = np.tile([0.9, 0.91], (1, 16, 8))[..., np.newaxis]
    coarse = tf.cast(textured, tf.bfloat16)
    made = LocalStatistics(dtype="mixed_bfloat16")(coarse)
    expected = np.sqrt(np.var(tf.cast(coarse, tf.float64)) + 1e-4)
    np.testing.assert_allclose(tf.cast(made[..., 1], tf.float32), expected, rtol=0.01)


@pytest.mark.parametrize("positions", [False, True])
def test_a_logit_sees_brightness_and_place_of_five_by_five_cells(positions):
    model = build_intensity_discriminator(
        filters=4, initializer="he_normal", seed=1, name="i", positions=positions
    )
    channels = 1 + positions
    inputs = channels + 1 + 2  # the means, the deviation, row and column
    convolutions = 9 * (inputs * 4 + 4 * 8) + 4 + 8
    assert model.count_params() == convolutions + 8 + 1
    image = images(1, 64, 64, channels)
    scores = model(image).numpy()
    assert scores.shape == (1, 8, 8, 1)
    # A gain or an offset that instance normalisation would undo changes every logit.
    darker = image.copy()
    darker[..., 0] = 0.5 * darker[..., 0] - 0.3
    assert (np.abs(model(darker) - scores) > 1e-4).all()
    dot = image.copy()
    dot[0, 35, 27, 0] = 3.0  # in cell 4, 3
    rows, columns = np.nonzero(np.abs(model(dot) - scores)[0, ..., 0] > 1e-6)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 1, 5)
    flat = np.full_like(image, 0.2)
    inner = model(flat).numpy()[0, 2:-2, 2:-2, 0]
    assert np.abs(np.diff(inner, axis=0)).min() > 0 and np.abs(np.diff(inner, axis=1)).min() > 0


def test_it_survives_its_configuration():
    model = build_intensity_discriminator(filters=2, initializer="normal_0.02", seed=1, name="i")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    image = images(1, 32, 32, 1)
    np.testing.assert_array_equal(copy(image), model(image))
