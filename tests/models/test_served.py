"""The graph behind the signatures, against NumPy, SciPy and the pipeline of training."""

import numpy as np
import pytest
import tensorflow as tf
from record_sets import head as drawn_head
from record_sets import record
from scipy import ndimage

from tfcyclegan.data import intensity, record_bytes, slices, windows
from tfcyclegan.data.head import head
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.serving import audit
from tfcyclegan.models.serving.audit import upper_quantile
from tfcyclegan.models.serving.graph import VOLUME, Direction, ServedTranslator, volume_window
from tfcyclegan.translation import passes
from tfcyclegan.translation.model import Model

SIZE = 32
TOLERANCE = 1e-6


def generator(name: str, seed: int):
    return build_generator(filters=4, blocks=1, initializer="he_normal", seed=seed, name=name)


@pytest.fixture(scope="module")
def ways():
    """Translators there and back."""
    made = ServedTranslator(
        {"a_to_b": generator("there", 1), "b_to_a": generator("back", 2)}, image_size=SIZE
    )
    return made.ways["a_to_b"]


@pytest.fixture(scope="module")
def direction(ways):
    return Direction(ways[0], None, SIZE)


def volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(300, 200, shape).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 101, 4001])
@pytest.mark.parametrize("share", [0.5, 0.99, 0.995, 1.0])
def test_a_quantile_is_numpys(count, share):
    values = volume(count)
    np.testing.assert_allclose(upper_quantile(values, share), np.quantile(values, share), rtol=1e-6)


def test_the_window_of_a_volume_is_that_of_ingestion():
    voxels = volume(3, 40, 41)
    window = volume_window(tf.constant(voxels)).numpy()
    np.testing.assert_allclose(window, windows.volume_window(voxels), rtol=1e-6)
    np.testing.assert_allclose(window, np.percentile(voxels, [0.5, 99.5]), rtol=1e-6)


@pytest.mark.parametrize("percentiles", windows.WINDOWS.values())
def test_a_window_of_another_name_is_that_of_ingestion_too(percentiles):
    voxels = volume(3, 40, 41) ** 3 / 1e5  # skewed, as a head in air
    window = volume_window(tf.constant(voxels), percentiles).numpy()
    expected = windows.volume_window(voxels, percentiles=percentiles)
    np.testing.assert_allclose(window, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("voxels", "rule"),
    [
        (np.full((1, 20, 20), 7.0), "needs contrast"),
        (np.full((1, 20, 20), np.nan), "needs finite voxels"),
        (np.where(np.eye(20)[np.newaxis], np.inf, volume(1, 20, 20)), "needs finite voxels"),
        (np.zeros((0, 20, 20)), "needs finite voxels"),
    ],
)
@pytest.mark.parametrize("percentiles", windows.WINDOWS.values())
def test_a_volume_without_window_is_refused(voxels, rule, percentiles):
    window = tf.function(lambda v: volume_window(v, percentiles), input_signature=[VOLUME])
    with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
        window(tf.constant(voxels.astype(np.float32)))


def test_a_volume_is_windowed_as_a_whole_and_comes_back_in_its_shape(ways, direction):
    voxels = volume(3, 37, 50)
    made = direction.of_volume(tf.constant(voxels))
    window = np.percentile(voxels, [0.5, 99.5])
    unit = np.clip((voxels - window[0]) / (window[1] - window[0]), 0, 1).astype(np.float32)
    expected = ways[0](unit[..., np.newaxis])[..., 0]
    np.testing.assert_allclose(made["volume"], expected, atol=1e-5)
    np.testing.assert_allclose(made["scale"], window, rtol=1e-6)


def test_examples_are_resampled_as_for_training(ways, direction):
    rows = [record("t2", patient, 2, 4) for patient in (0, 1)]
    made = direction.of_examples(tf.constant([record_bytes.serialize(row) for row in rows]))
    stored = slices.resample(
        np.stack([drawn_head("t2", patient, 2, 4) for patient in (0, 1)]), SIZE
    )
    unit = (stored / 65535).astype(np.float32)[..., np.newaxis]
    np.testing.assert_allclose(made["image"], ways[0](unit), atol=1e-5)
    # The area mean of 8 x 8 pixels, by hand.
    blocks = drawn_head("t2", 0, 2, 4).reshape(SIZE, 8, SIZE, 8).mean(axis=(1, 3))
    assert np.abs(stored[0] - blocks).max() <= 0.51


def test_pixels_outside_unit_range_count_as_its_ends(ways):
    image = np.linspace(-1, 2, 32 * 32, dtype=np.float32).reshape(1, 32, 32, 1)
    made = ways[0](image)
    np.testing.assert_array_equal(made, ways[0](np.clip(image, 0, 1)))
    assert made.numpy().min() >= 0 and made.numpy().max() <= 1


def test_the_audit_shows_what_does_not_come_back(ways):
    image = (drawn_head("t2", 0, 2, 4) / 65535).astype(np.float32)[np.newaxis, ::4, ::4, np.newaxis]
    found = Direction(*ways, SIZE).of_image(image)
    back = ways[1](ways[0](image))
    residual = np.abs(back - image)
    np.testing.assert_allclose(found["cycle_residual"], residual, atol=TOLERANCE)


def test_the_risk_is_that_of_translate(ways):
    """Of heads, of a ring that is open to one side, and of air, where the whole frame counts."""
    images = np.stack([drawn_head("t2", 0, place, 4)[::4, ::4] for place in range(3)] * 2)
    images[3] = 0
    images[4:, 8:56, 8:56] = 40_000
    images[4:, 20:44, 20:44] = images[5, 30:34, 40:60] = 0
    served = Direction(*ways, SIZE).of_image(
        intensity.stored_to_unit(images.astype(np.float32))[..., np.newaxis]
    )
    model = Model("a_to_b", "t2", "flair", 64, "0" * 32, *ways)
    sources = [np.kron(image, np.ones((4, 4), np.uint16)) for image in images]
    translated = list(passes.run(sources, model, audit=True))
    np.testing.assert_allclose(served["risk"], [made.risk for made in translated], atol=1e-5)
    assert np.ptp(served["risk"]) > 1e-3


def test_the_audit_of_a_volume_is_that_of_its_slices(ways):
    audited = Direction(*ways, SIZE)
    voxels = np.stack([drawn_head("t2", 0, i, 4)[::4, ::4] for i in range(2)]).astype(np.float32)
    made = audited.of_volume(tf.constant(voxels))
    unit = intensity.scanner_to_unit(voxels, windows.volume_window(voxels))
    alone = audited.of_image(unit[1:, ..., np.newaxis])
    np.testing.assert_allclose(made["cycle_residual"][1:], alone["cycle_residual"], atol=1e-5)
    np.testing.assert_allclose(made["risk"][1:], alone["risk"], atol=1e-5)
    assert made["risk"].shape == (2,)


def test_the_risk_of_a_slice_of_air_is_over_the_whole_frame():
    air = tf.zeros((2, 20, 20, 1))
    residual = np.random.default_rng(0).uniform(0, 1, air.shape).astype(np.float32)
    expected = np.percentile(residual, 99, axis=(1, 2, 3))
    np.testing.assert_allclose(audit.risk(tf.constant(residual), air), expected, rtol=1e-6)


def test_noise_of_air_is_no_head_and_takes_no_part_in_the_risk_of_a_small_one():
    rng = np.random.default_rng(0)
    noise = rng.rayleigh(0.012, (64, 64)).astype(np.float32)
    vertex = noise.copy()
    vertex[20:30, 20:30] = 0.7
    vertex[24, 24] = 0.0  # enclosed
    doubts = rng.uniform(0, 1, (2, 64, 64)).astype(np.float32)
    expected = [np.percentile(doubts[0], 99), np.percentile(doubts[1, 20:30, 20:30], 99)]
    sources = np.stack([noise, vertex])
    served = audit.risk(tf.constant(doubts[..., None]), tf.constant(sources[..., None]))
    np.testing.assert_allclose(served, expected, rtol=1e-6)
    translated = [passes.risk_of(*pair) for pair in zip(doubts, sources, strict=True)]
    np.testing.assert_allclose(translated, expected, rtol=1e-6)


def maze(size: int) -> np.ndarray:
    """A way from the frame to the middle that turns at every wall, and closed rooms beside it."""
    image = np.ones((size, size), np.float32)
    for depth in range(0, size // 2, 4):
        ring = slice(depth, size - depth)
        image[ring, ring] = (depth // 4) % 2
    image[2, : size // 2] = image[size // 2, 2:8] = image[8:12, size // 2] = 0
    return image


@pytest.mark.parametrize("size", [16, 45, 64])
def test_the_head_of_the_graph_is_that_of_numpy(size):
    rng = np.random.default_rng(size)
    noise = rng.uniform(0, 1, (3, size, size)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, (0, 3, 3))
    images = np.concatenate([noise, smooth, maze(size)[np.newaxis], np.zeros((1, size, size))])
    images = images.astype(np.float32)[..., np.newaxis]
    found = audit.head(tf.constant(images)).numpy()[..., 0]
    np.testing.assert_array_equal(found, head(images))
    assert found[:7].any(axis=(1, 2)).all() and not found[7].any()
