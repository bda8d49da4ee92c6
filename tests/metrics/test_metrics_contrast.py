"""NMI, blur and the normalised errors against scikit-image; what each does and does not see."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure
from skimage import metrics as skimage_metrics

from tfcyclegan.metrics import blur_effect, nmi, nmse, nrmse_l2, nrmse_range


@pytest.fixture(scope="module")
def pair():
    """Three textured images in unit range and noisy copies, [3, 48, 40]."""
    rng = np.random.default_rng(0)
    a = ndimage.gaussian_filter(rng.random((3, 48, 40)), (0, 2, 2))
    a = (a - a.min()) / np.ptp(a)
    return a, np.clip(a + 0.1 * rng.standard_normal(a.shape), 0, 1)


def test_nmi_equals_scikit_image(pair):
    a, b = pair
    expected = [
        skimage_metrics.normalized_mutual_information(x, y) for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(nmi(a, b, data_range=1), expected, atol=1e-12)
    np.testing.assert_allclose(nmi(a[..., None], b[..., None], data_range=1), expected, atol=1e-12)
    few = skimage_metrics.normalized_mutual_information(a[0], b[0], bins=16)
    assert nmi(a, b, data_range=1, bins=16)[0] == pytest.approx(few, abs=1e-12)
    # Mutual information over the mean entropy is another number: 2 (1 - 1 / NMI).
    assert np.all(np.abs(nmi(a, b, data_range=1) - 1) > 0.01)


def test_nmi_forgives_contrast_and_knows_independence(pair):
    a, b = pair
    value = nmi(a, b, data_range=1)
    np.testing.assert_allclose(nmi(a, 0.5 * b, data_range=1), value, atol=1e-3)
    np.testing.assert_allclose(nmi(a, 1 - a, data_range=1), 2, atol=1e-2)
    # A product histogram: every value of one beside every value of the other.
    rows = np.repeat(np.linspace(0, 1, 20)[:, None], 20, axis=1)[None]
    assert nmi(rows, rows.swapaxes(1, 2), data_range=1)[0] == pytest.approx(1, abs=1e-12)
    assert np.isnan(nmi(rows * 0, rows * 0, data_range=1)[0])


def test_nmi_inside_a_mask(pair):
    a, b = pair
    mask = np.zeros(a.shape, bool)
    mask[:2, 10:30, 5:35] = True
    value = nmi(a, b, data_range=1, mask=mask)
    cropped = nmi(a[:2, 10:30, 5:35], b[:2, 10:30, 5:35], data_range=1)
    np.testing.assert_allclose(value[:2], cropped, atol=1e-12)
    assert np.isnan(value[2])


def test_blur_equals_scikit_image(pair):
    for images in (pair[0], pair[1], np.zeros((1, 12, 11))):
        expected = [measure.blur_effect(image, h_size=11) for image in images]
        np.testing.assert_allclose(blur_effect(images, data_range=1), expected, atol=1e-12)


def test_blur_rises_with_the_filter_and_not_with_contrast(pair):
    sharp = pair[1]
    values = [
        blur_effect(ndimage.gaussian_filter(sharp, (0, s, s)), data_range=1) for s in (0, 0.7, 2)
    ]
    assert np.all(values[0] + 0.02 < values[1])
    assert np.all(values[1] + 0.02 < values[2])
    np.testing.assert_allclose(blur_effect(0.5 * sharp, data_range=1), values[0], atol=1e-12)


def test_blur_inside_a_mask(pair):
    sharp, mask = pair[1].copy(), np.zeros(pair[1].shape, bool)
    mask[:, 12:36, 10:30] = True
    value = blur_effect(sharp, data_range=1, mask=mask)
    sharp[:, :4] = 0.0
    np.testing.assert_allclose(blur_effect(sharp, data_range=1, mask=mask), value, atol=1e-12)
    everything = blur_effect(pair[1], data_range=1, mask=np.ones(mask.shape, bool))
    np.testing.assert_allclose(everything, blur_effect(pair[1], data_range=1), atol=1e-12)
    assert np.isnan(blur_effect(sharp, data_range=1, mask=np.zeros(mask.shape, bool))).all()
    with pytest.raises(ValueError, match="at least 11 pixels"):
        blur_effect(sharp[:, :10], data_range=1)


@pytest.mark.parametrize(
    ("metric", "normalization"), [(nrmse_l2, "euclidean"), (nrmse_range, "min-max")]
)
def test_normalised_errors_equal_scikit_image(pair, metric, normalization):
    a, b = pair
    expected = [
        skimage_metrics.normalized_root_mse(x, y, normalization=normalization)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(metric(a, b, data_range=1), expected, rtol=1e-12)
    mask = np.zeros(a.shape, bool)
    mask[:2, 10:30, 5:35] = True
    value = metric(a, b, data_range=1, mask=mask)
    inside = skimage_metrics.normalized_root_mse(
        a[0, 10:30, 5:35], b[0, 10:30, 5:35], normalization=normalization
    )
    assert value[0] == pytest.approx(inside, rel=1e-12)
    assert np.isnan(value[2])
    assert np.isnan(metric(a * 0, b, data_range=1)).all()


def test_the_denominators_are_named(pair):
    a, b = pair
    np.testing.assert_allclose(nrmse_l2(a, b, data_range=1) ** 2, nmse(a, b, data_range=1))
    assert np.all(np.abs(nrmse_l2(a, b, data_range=1) / nrmse_range(a, b, data_range=1) - 1) > 0.1)
