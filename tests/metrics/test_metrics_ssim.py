"""SSIM and MS-SSIM against scikit-image, IPOL, TensorFlow and closed forms; the Keras class."""

import importlib

import keras
import numpy as np
import pytest
import skimage
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcyclegan.metrics import SSIM, interior, ms_ssim, ms_ssim_name, ssim, ssim_graph, ssim_map
from tfcyclegan.metrics.image_pairs import RANGE_SLACK
from tfcyclegan.training.distribution.strategies import make_strategy

GRAPH_TOLERANCE = 2e-5
"""Float32 moments against float64 ones; the worst case is a bright flat patch."""
TENSORFLOW_TOLERANCE = 5e-5


@pytest.fixture(scope="module")
def camera():
    """The pair of scikit-image's own tests, uint8 [1, 512, 512]."""
    image = skimage.data.camera()
    noise = np.random.RandomState(5).randn(*image.shape)
    noisy = np.clip(image + 20.0 * noise, 0, 255).astype(image.dtype)
    return image[None], noisy[None]


@pytest.fixture(params=["compiled", "operation by operation"])
def compiled_or_not(request, monkeypatch):
    """The graph's sums as on a CPU, and as on a GPU, where rounding falls otherwise."""
    if request.param != "compiled":
        module = importlib.import_module("tfcyclegan.metrics.ssim")
        plain = tf.function(module._window_mean_graph)
        monkeypatch.setattr(module, "_compiled_window_mean", lambda: plain)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.random((5, 40, 33, 1))
    return a, np.clip(a + 0.2 * rng.standard_normal(a.shape), 0, 1)


def test_golden_of_camera(camera):
    value = ssim(*camera, data_range=255)
    assert value.shape == (1,)
    assert value.dtype == np.float64
    assert value[0] == pytest.approx(0.357964236237, abs=1e-9)
    # IPOL's C program on the same pair, doi:10.5201/ipol.2012.g-tvd.
    assert value[0] == pytest.approx(0.357959091663361, abs=1e-5)


def test_equals_scikit_image_with_the_papers_options(camera):
    a, b = camera[0][0], camera[1][0]
    options = {"gaussian_weights": True, "sigma": 1.5, "data_range": 255}
    wang, full = skimage.metrics.structural_similarity(
        a, b, use_sample_covariance=False, full=True, **options
    )
    value = ssim(*camera, data_range=255)[0]
    assert value == pytest.approx(wang, abs=1e-9)
    np.testing.assert_allclose(ssim_map(*camera, data_range=255)[0], full[5:-5, 5:-5], atol=1e-9)
    # What other options, and other ranges, give under the same name.
    for wrong in (
        skimage.metrics.structural_similarity(a, b, **options),
        skimage.metrics.structural_similarity(a, b, data_range=255),
        ssim(camera[0] / 255, camera[1] / 255, data_range=2)[0],
        0.3674518327910367,
        0.356114582808,
    ):
        assert abs(value - wrong) > 5e-4


def test_equals_tensorflow_to_float32(camera):
    value = ssim(*camera, data_range=255)
    tensors = [tf.constant(image[..., None], tf.float32) for image in camera]
    np.testing.assert_allclose(tf.image.ssim(*tensors, 255.0), value, atol=TENSORFLOW_TOLERANCE)
    unit = [image / 255.0 for image in tensors]
    np.testing.assert_allclose(tf.image.ssim(*unit, 1.0), value, atol=TENSORFLOW_TOLERANCE)


def test_ms_ssim_golden_and_tensorflow(camera):
    value = ms_ssim(*camera, data_range=255)
    assert value[0] == pytest.approx(0.793390870, abs=TENSORFLOW_TOLERANCE)
    assert value[0] != pytest.approx(0.793065840, abs=TENSORFLOW_TOLERANCE)
    for height, width in ((176, 203), (161, 161)):
        a, b = (image[:, :height, :width] for image in camera)
        tensors = [tf.constant(image[..., None], tf.float32) for image in (a, b)]
        np.testing.assert_allclose(
            ms_ssim(a, b, data_range=255),
            tf.image.ssim_multiscale(*tensors, 255.0),
            atol=TENSORFLOW_TOLERANCE,
        )
    np.testing.assert_array_equal(ms_ssim(a, a, data_range=255), 1.0)
    with pytest.raises(ValueError, match="sides of at least 161 pixels. Received: 160 x 161"):
        ms_ssim(a[:, :160], b[:, :160], data_range=255)


def test_fewer_scales_have_another_name_and_smallest_side(camera):
    a, b = (image[:, :81, :96] for image in camera)
    tensors = [tf.constant(image[..., None], tf.float32) for image in (a, b)]
    powers = np.array([0.0448, 0.2856, 0.3001, 0.2363])
    expected = tf.image.ssim_multiscale(*tensors, 255.0, power_factors=powers / powers.sum())
    value = ms_ssim(a, b, data_range=255, scales=4)
    np.testing.assert_allclose(value, expected, atol=TENSORFLOW_TOLERANCE)
    assert (ms_ssim_name(5), ms_ssim_name(4)) == ("ms_ssim", "ms_ssim_4scale")
    with pytest.raises(ValueError, match="sides of at least 81 pixels. Received: 80 x 96"):
        ms_ssim(a[:, :80], b[:, :80], data_range=255, scales=4)
    with pytest.raises(ValueError, match="scales expected 2 to 5. Received: 6"):
        ms_ssim(a, b, data_range=255, scales=6)


def test_constant_images_have_a_closed_form(compiled_or_not):
    a, b = np.full((1, 16, 16), 0.6), np.full((1, 16, 16), 0.2)
    expected = (2 * 0.6 * 0.2 + 1e-4) / (0.6**2 + 0.2**2 + 1e-4)
    assert ssim(a, b, data_range=1)[0] == pytest.approx(expected, abs=1e-12)
    assert ssim_graph(a[..., None], b[..., None], data_range=1.0).numpy() == pytest.approx(
        expected, abs=GRAPH_TOLERANCE
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(11, 30), width=st.integers(11, 30))
def test_symmetric_bounded_and_free_of_the_unit(seed, height, width):
    a, b = np.random.default_rng(seed).random((2, 2, height, width))
    value = ssim(a, b, data_range=1)
    assert np.all(np.abs(value) <= 1)
    np.testing.assert_allclose(value, ssim(b, a, data_range=1), atol=1e-12)
    np.testing.assert_allclose(value, ssim(255 * a, 255 * b, data_range=255), atol=1e-12)
    np.testing.assert_allclose(ssim(a, a, data_range=1), 1, atol=1e-12)
    np.testing.assert_allclose(ssim(a * 0, b * 0, data_range=1), 1, atol=1e-12)


def test_mask_averages_the_map_and_keeps_crossing_windows(pair):
    a, b = pair
    local = ssim_map(a, b, data_range=1)
    assert local.shape == (5, 30, 23)
    np.testing.assert_allclose(local.mean(axis=(1, 2)), ssim(a, b, data_range=1), atol=1e-12)
    everything = np.ones(a.shape, bool)
    np.testing.assert_allclose(
        ssim(a, b, data_range=1, mask=everything), ssim(a, b, data_range=1), atol=1e-12
    )
    one = np.zeros(a.shape, bool)
    one[:, 15, 12] = True
    np.testing.assert_allclose(ssim(a, b, data_range=1, mask=one), local[:, 10, 7], atol=1e-12)
    # Multiplying the images by the mask is the usual, wrong way to do it.
    lesion = np.zeros(a.shape, bool)
    lesion[:, 12:24, 10:20] = True
    multiplied = ssim(a * lesion, b * lesion, data_range=1)
    assert np.all(np.abs(ssim(a, b, data_range=1, mask=lesion) - multiplied) > 0.1)
    border = np.zeros(a.shape, bool)
    border[:, :5] = True
    assert np.isnan(ssim(a, b, data_range=1, mask=border)).all()
    with pytest.raises(ValueError, match="labels > 0"):
        ssim(a, b, data_range=1, mask=lesion.astype(int))


def test_interior_windows_see_the_mask_only(pair):
    a, b = pair
    mask = np.zeros(a.shape[:3], bool)
    mask[:, 4:30, 6:28] = True
    inner = interior(mask)
    assert inner.sum() == 5 * (26 - 10) * (22 - 10)
    outside = np.where(mask[..., None], b, 0.0)
    np.testing.assert_allclose(
        ssim(a, outside, data_range=1, mask=inner), ssim(a, b, data_range=1, mask=inner)
    )


def test_bad_input_is_refused():
    a = np.full((2, 16, 16), 0.5)
    with pytest.raises(TypeError, match="data_range"):
        ssim(a, a)
    with pytest.raises(ValueError, match="sides of at least 11 pixels. Received: 16 x 10"):
        ssim(a[..., :10], a[..., :10], data_range=1)
    with pytest.raises(ValueError, match="same shape"):
        ssim(a, a[:1], data_range=1)
    with pytest.raises(ValueError, match="finite"):
        ssim(a * np.nan, a, data_range=1)
    with pytest.raises(ValueError, match=r"\[-1e-09, .*convert with tfcyclegan.data.intensity"):
        ssim(a, np.where(np.arange(16) == 3, -1e-9, a), data_range=1)
    with pytest.raises(ValueError, match=r"expected in \[0, data_range\] = \[0, 1\]"):
        ssim(a, a * 255, data_range=1)
    ssim(a, a * 2 * (1 + 0.9 * RANGE_SLACK), data_range=1)


def test_graph_equals_the_kernel(pair, camera):
    a, b = (image.astype(np.float32) for image in pair)
    mask = np.zeros(a.shape, bool)
    mask[:, 10:30, 10:20] = True
    compiled = tf.function(lambda x, y, m: ssim_graph(x, y, data_range=1.0, mask=m))
    np.testing.assert_allclose(
        ssim_graph(a, b, data_range=1.0), ssim(a, b, data_range=1), atol=GRAPH_TOLERANCE
    )
    expected = ssim(a, b, data_range=1, mask=mask)
    for function in (compiled, lambda x, y, m: ssim_graph(x, y, data_range=1.0, mask=m)):
        values = function(tf.constant(a), tf.constant(b), tf.constant(mask))
        assert values.dtype == tf.float32
        np.testing.assert_allclose(values, expected, atol=GRAPH_TOLERANCE)
    photograph = [(image[..., None] / 255).astype(np.float32) for image in camera]
    value = ssim_graph(*photograph, data_range=1.0)
    assert float(value[0]) == pytest.approx(0.357964236237, abs=GRAPH_TOLERANCE)
    unknown = tf.function(
        lambda x, y: ssim_graph(x, y, data_range=1.0),
        input_signature=[tf.TensorSpec([None, None, None, 1])] * 2,
    )
    np.testing.assert_allclose(unknown(a, b), ssim(a, b, data_range=1), atol=GRAPH_TOLERANCE)


def test_graph_marks_what_it_cannot_raise(pair):
    a, b = (image.astype(np.float32) for image in pair)
    bad = np.concatenate([b[:1], 2 * b[1:2] - 1, b[2:3] * 255, b[3:4] * np.nan, b[4:]])
    values = tf.function(lambda x, y: ssim_graph(x, y, data_range=1.0))(a, bad)
    assert np.isnan(values).tolist() == [False, True, True, True, False]
    with pytest.raises(ValueError, match="at least 11"):
        ssim_graph(a[:, :10], b[:, :10], data_range=1.0)
    with pytest.raises(ValueError, match="Grey images expected"):
        ssim_graph(np.zeros((1, 16, 16, 3)), np.zeros((1, 16, 16, 3)), data_range=1.0)
    with pytest.raises(ValueError, match="labels > 0"):
        ssim_graph(a, b, data_range=1.0, mask=tf.ones(a.shape))
    with pytest.raises(ValueError, match="expected dtype bool and shape"):
        ssim_graph(a, b, data_range=1.0, mask=tf.ones(a.shape[:3], tf.bool))


def test_keras_metric_equals_the_kernel_over_batches(pair):
    a, b = pair
    metric = SSIM(data_range=1.0, name="ssim_a")
    assert np.isnan(metric.result())
    for part in (slice(0, 3), slice(3, 5)):
        metric.update_state(a[part], b[part])
    expected = ssim(a, b, data_range=1)
    assert float(metric.result()) == pytest.approx(expected.mean(), abs=GRAPH_TOLERANCE)
    metric.reset_state()
    metric.update_state(a, np.concatenate([b[:2], -b[2:]]), sample_weight=[1, 3, 0, 0, 0])
    weighted = np.average(expected[:2], weights=[1, 3])
    assert float(metric.result()) == pytest.approx(weighted, abs=GRAPH_TOLERANCE)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(copy, SSIM)
    assert (copy.name, copy.data_range) == ("ssim_a", 1.0)


def test_keras_metric_adds_up_over_replicas(pair):
    a, b = (image.astype(np.float32) for image in pair)
    strategy = make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        metric = SSIM(data_range=1.0)
    batches = tf.data.Dataset.from_tensor_slices((a, b)).batch(4)

    @tf.function
    def step(x, y):
        strategy.run(metric.update_state, args=(x, y))

    # Five images in batches of four: the last replica gets an empty batch.
    for x, y in strategy.experimental_distribute_dataset(batches):
        step(x, y)
    assert float(metric.result()) == pytest.approx(
        ssim(a, b, data_range=1).mean(), abs=GRAPH_TOLERANCE
    )
    metric.reset_state()
    assert np.isnan(metric.result())
