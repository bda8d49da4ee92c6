"""PSNR against scikit-image, TensorFlow and hand numbers; the errors beside it; the Keras class."""

import keras
import numpy as np
import pytest
import skimage
import tensorflow as tf

from tfcyclegan.metrics import (
    PSNR,
    mae,
    mse,
    nmse,
    pooled_psnr,
    psnr,
    psnr_graph,
    psnr_slice_mean,
    psnr_volume,
)
from tfcyclegan.training.distribution.strategies import make_strategy

GRAPH_TOLERANCE_DB = 1e-4


@pytest.fixture(scope="module")
def camera():
    """The pair of scikit-image's own tests, uint8 [1, 512, 512]."""
    image = skimage.data.camera()
    noise = np.random.RandomState(5).randn(*image.shape)
    noisy = np.clip(image + 20.0 * noise, 0, 255).astype(image.dtype)
    return image[None], noisy[None]


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.random((5, 24, 20, 1))
    return a, np.clip(a + 0.1 * rng.standard_normal(a.shape), 0, 1)


def test_golden_of_camera(camera):
    value = psnr(*camera, data_range=255)
    assert value.shape == (1,)
    assert value.dtype == np.float64
    assert value[0] == pytest.approx(22.409352849913, abs=1e-9)
    reference = skimage.metrics.peak_signal_noise_ratio(camera[0][0], camera[1][0], data_range=255)
    assert value[0] == pytest.approx(reference, abs=1e-9)
    tensors = [tf.constant(image[..., None], tf.float32) for image in camera]
    assert tf.image.psnr(*tensors, 255.0).numpy() == pytest.approx(value, abs=GRAPH_TOLERANCE_DB)
    # A natural logarithm, or the image's maximum as the peak, is another number.
    assert abs(value[0] * np.log(10) - value[0]) > 1
    assert psnr(camera[0] / 300, camera[1] / 300, data_range=1)[0] != pytest.approx(22.409, abs=0.1)


@pytest.mark.parametrize("offset", [0.5, 0.1, 1e-3])
def test_constant_offset_has_a_closed_form(offset):
    a = np.full((2, 8, 8), 0.25)
    expected = -20 * np.log10(offset)
    np.testing.assert_allclose(psnr(a, a + offset, data_range=1), expected, atol=1e-9)
    np.testing.assert_allclose(psnr(a * 255, (a + offset) * 255, data_range=255), expected)


def test_identical_images_are_counted_and_not_averaged():
    a = np.zeros((3, 8, 8))
    b = a.copy()
    b[1] += 0.1
    values = psnr(a, b, data_range=1)
    assert np.isposinf(values[[0, 2]]).all()
    assert psnr_slice_mean(values) == (pytest.approx(20), 1, 2, 0)
    assert np.isnan(psnr_slice_mean(values[:1]).mean)
    assert psnr_slice_mean(np.array([np.nan, 10.0])) == (10.0, 1, 0, 1)


def test_volume_pools_the_error_and_not_the_decibels():
    a = np.zeros((4, 8, 8))
    b = np.sqrt(np.array([1e-4, 1e-3, 1e-2, 1e-2]))[:, None, None] * np.ones((8, 8))
    pooled = psnr_volume(a, b, volumes=["p", "p", "p", "q"], data_range=1)
    assert pooled == {"p": pytest.approx(24.3180, abs=1e-4), "q": pytest.approx(20)}
    assert psnr(a, b, data_range=1)[:3].mean() == pytest.approx(30)
    order = [3, 2, 0, 1]
    again = psnr_volume(a[order], b[order], volumes=["q", "p", "p", "p"], data_range=1)
    assert again == {key: pytest.approx(value, abs=1e-12) for key, value in pooled.items()}


def test_volume_weighs_slices_by_their_mask():
    a, b = np.zeros((3, 4, 4)), np.full((3, 4, 4), 0.1)
    b[1] = 0.2
    mask = np.zeros((3, 4, 4), bool)
    mask[0], mask[1, 0] = True, True
    value = psnr_volume(a, b, volumes=["p", "p", "q"], data_range=1, mask=mask)
    assert value["p"] == pytest.approx(-10 * np.log10((16 * 0.01 + 4 * 0.04) / 20))
    assert np.isnan(value["q"])
    with pytest.raises(ValueError, match="one volume id each.*3, 3, 2"):
        pooled_psnr(np.ones(3), pixels=np.ones(3), volumes=["p", "p"])


def test_errors_have_hand_numbers():
    target = np.array([[[0.0, 100.0], [50.0, 50.0]]])
    prediction = np.array([[[20.0, 100.0], [50.0, 30.0]]])
    assert mse(target, prediction, data_range=200)[0] == pytest.approx(800 / 4 / 200**2)
    assert mae(target, prediction, data_range=200)[0] == pytest.approx(10 / 200)
    assert nmse(target, prediction, data_range=200)[0] == pytest.approx(800 / 15000)
    assert nmse(prediction, target, data_range=200)[0] == pytest.approx(800 / 13800)
    assert np.isnan(nmse(np.zeros((1, 2, 2)), prediction, data_range=200)[0])


@pytest.mark.parametrize("metric", [psnr, mae, mse, nmse])
def test_masks(metric, pair):
    a, b = pair
    everything = np.ones(a.shape, bool)
    np.testing.assert_allclose(
        metric(a, b, data_range=1, mask=everything), metric(a, b, data_range=1), rtol=1e-12
    )
    half = everything.copy()
    half[:, 12:] = False
    np.testing.assert_allclose(
        metric(a, b, data_range=1, mask=half),
        metric(a[:, :12], b[:, :12], data_range=1),
        rtol=1e-12,
    )
    assert np.isnan(metric(a, b, data_range=1, mask=np.zeros(a.shape, bool))).all()
    with pytest.raises(ValueError, match=r"labels > 0"):
        metric(a, b, data_range=1, mask=np.ones(a.shape, np.uint8))
    with pytest.raises(ValueError, match=r"expected dtype bool and shape"):
        metric(a, b, data_range=1, mask=np.ones((5, 20, 24), bool))


@pytest.mark.parametrize("metric", [psnr, mae, mse, nmse])
def test_bad_input_is_refused(metric):
    a = np.full((2, 16, 16), 0.5)
    with pytest.raises(TypeError, match="data_range"):
        metric(a, a)
    with pytest.raises(ValueError, match="data_range expected one positive number. Received: 0"):
        metric(a, a, data_range=0)
    with pytest.raises(ValueError, match=r"same shape.*\(2, 16, 16\), \(2, 16, 15\)"):
        metric(a, a[..., :15], data_range=1)
    with pytest.raises(ValueError, match="add a batch axis"):
        metric(a[0], a[0], data_range=1)
    with pytest.raises(ValueError, match="colour channels"):
        metric(np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16, 3)), data_range=1)
    with pytest.raises(ValueError, match="sides of at least 2"):
        metric(a[0, ..., None], a[0, ..., None], data_range=1)
    with pytest.raises(ValueError, match="N >= 1"):
        metric(a[:0], a[:0], data_range=1)
    with pytest.raises(ValueError, match="finite. Received: NaN"):
        metric(a, np.where(a > 0, np.nan, a), data_range=1)
    with pytest.raises(ValueError, match=r"Received: \[-0.5, -0.5\]; convert with"):
        metric(a, -a, data_range=1)
    with pytest.raises(ValueError, match=r"Received: \[0, 1.002\]"):
        metric(a, np.pad([[[1.002]]], ((0, 1), (0, 15), (0, 15))), data_range=1)
    assert np.isfinite(mse(a, a * 2.001, data_range=1)).all()


def test_graph_equals_the_kernel(pair):
    a, b = (image.astype(np.float32) for image in pair)
    expected = psnr(a, b, data_range=1)
    compiled = tf.function(lambda x, y: psnr_graph(x, y, data_range=1.0))
    for values in (psnr_graph(a, b, data_range=1.0), compiled(tf.constant(a), tf.constant(b))):
        assert values.dtype == tf.float32
        np.testing.assert_allclose(values, expected, atol=GRAPH_TOLERANCE_DB)
    assert np.isposinf(psnr_graph(a, a, data_range=1.0)).all()
    rules = psnr_graph(a, np.concatenate([b[:3], -b[3:4], b[4:] * 2]), data_range=1.0)
    assert np.isnan(rules).tolist() == [False, False, False, True, True]
    with pytest.raises(ValueError, match="same shape"):
        psnr_graph(a, b[:, :20], data_range=1.0)


def test_keras_metric_equals_the_kernel_over_batches(pair):
    a, b = pair
    b = np.concatenate([b[:4], a[4:]])
    metric = PSNR(data_range=1.0)
    assert np.isnan(metric.result())
    for part in (slice(0, 3), slice(3, 4), slice(4, 5)):
        metric.update_state(a[part], b[part])
    expected = psnr_slice_mean(psnr(a, b, data_range=1))
    assert float(metric.result()) == pytest.approx(expected.mean, abs=GRAPH_TOLERANCE_DB)
    assert float(metric.n_identical) == expected.n_identical == 1
    metric.reset_state()
    metric.update_state(a, np.concatenate([b[:2], -b[2:]]), sample_weight=[1, 1, 0, 0, 0])
    expected = psnr(a[:2], b[:2], data_range=1).mean()
    assert float(metric.result()) == pytest.approx(expected, abs=GRAPH_TOLERANCE_DB)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(copy, PSNR)
    assert copy.data_range == 1.0
    with pytest.raises(TypeError, match="data_range"):
        PSNR()


def test_keras_metric_adds_up_over_replicas(pair):
    a, b = (image.astype(np.float32) for image in pair)
    b[0] = a[0]
    strategy = make_strategy("mirrored")
    with strategy.scope():
        metric = PSNR(data_range=1.0)
    batches = tf.data.Dataset.from_tensor_slices((a, b)).batch(4)

    @tf.function
    def step(x, y):
        strategy.run(metric.update_state, args=(x, y))

    # Five images in batches of four: the last replica gets an empty batch.
    for x, y in strategy.experimental_distribute_dataset(batches):
        step(x, y)
    expected = psnr_slice_mean(psnr(a, b, data_range=1))
    assert float(metric.result()) == pytest.approx(expected.mean, abs=GRAPH_TOLERANCE_DB)
    assert float(metric.n_identical) == 1
