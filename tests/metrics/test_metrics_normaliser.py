"""The reference's affine map."""

import numpy as np
import pytest
from scipy import ndimage

from tfcyclegan.metrics import ReferenceNormaliser, psnr


@pytest.fixture(scope="module")
def head():
    """A textured ellipse in unit range and its mask, [2, 48, 48]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    brain = np.broadcast_to((x / 0.7) ** 2 + (y / 0.8) ** 2 < 1, (2, 48, 48))
    texture = ndimage.gaussian_filter(rng.normal(size=brain.shape), (0, 1.5, 1.5))
    return np.clip((0.5 + 0.8 * texture) * brain, 0, 0.8), brain


def test_percentiles_of_the_brain_become_zero_and_one():
    # 0 ... 200 in the brain: percentile p of 201 evenly spaced values is 2 p.
    reference = np.concatenate([np.arange(201.0), [-500.0, 9000.0]])
    brain = np.arange(203) < 201
    normaliser = ReferenceNormaliser.of(reference, brain)
    assert (normaliser.low, normaliser.high) == (1.0, 199.0)
    mapped = normaliser(reference)
    np.testing.assert_allclose(mapped[[0, 1, 100, 199, 200]], [0, 0, 0.5, 1, 1], atol=1e-12)
    assert mapped[201:].tolist() == [0, 1]
    assert normaliser(reference, brain)[202] == 0
    assert normaliser.description() == {
        "name": "reference_brain_p0.5_p99.5_v1",
        "low": 1.0,
        "high": 199.0,
    }


def test_the_scale_of_both_images_does_not_matter_and_that_of_one_does(head):
    target, brain = head
    prediction = 0.8 * target
    normaliser = ReferenceNormaliser.of(target, brain)
    value = psnr(normaliser(target), normaliser(prediction), data_range=1)
    scaled = ReferenceNormaliser.of(1000 * target - 50, brain)
    again = psnr(scaled(1000 * target - 50), scaled(1000 * prediction - 50), data_range=1)
    np.testing.assert_allclose(again, value, rtol=1e-9)
    # A map of each image by itself would call the gain error perfect.
    own = ReferenceNormaliser.of(prediction, brain)
    assert np.all(psnr(normaliser(target), own(prediction), data_range=1) > value + 20)


def test_a_reference_without_a_scale_is_refused(head):
    target, brain = head
    with pytest.raises(ValueError, match="dtype bool, shape .* and a voxel. Received: bool.* 0 vo"):
        ReferenceNormaliser.of(target, np.zeros(target.shape, bool))
    with pytest.raises(ValueError, match="Received: int"):
        ReferenceNormaliser.of(target, brain.astype(int))
    with pytest.raises(ValueError, match="differ inside the brain. Received: percentiles 1 and 1"):
        ReferenceNormaliser.of(np.ones(target.shape), brain)
    with pytest.raises(ValueError, match="Received: percentiles nan"):
        ReferenceNormaliser.of(target * np.nan, brain)
