"""Each trivial baseline is what it says, against scikit-image, SciPy or by hand."""

import numpy as np
import pytest
from evaluation_cases import BRAIN, paired, textured
from scipy import ndimage
from skimage import exposure

from tfcyclegan.evaluation.figures import baselines


@pytest.fixture(scope="module")
def case():
    source = np.concatenate([textured(3), 0.5 * textured(2, seed=1)])
    target = np.concatenate([textured(3, seed=2) ** 2, textured(2, seed=3)])
    return paired(source, target, patients=[b"p", b"p", b"p", b"q", b"q"])


def test_histograms_are_matched_per_patient_as_scikit_image_does(case):
    made = baselines.histogram_matched(case)
    for rows in (slice(0, 3), slice(3, 5)):
        expected = exposure.match_histograms(
            case.direction.source[rows].astype(np.float64),
            case.direction.target[rows].astype(np.float64),
        )
        np.testing.assert_allclose(made[rows], expected, atol=1e-6)


def test_a_grey_brain_has_the_real_volumes_mean(case):
    made = baselines.constant_brain(case)[..., 0]
    for rows in (slice(0, 3), slice(3, 5)):
        values = case.direction.target[rows][..., 0][np.broadcast_to(BRAIN, made[rows].shape)]
        for image in made[rows]:
            np.testing.assert_allclose(image, BRAIN * values.mean(), atol=1e-6)


def test_the_blur_stays_in_its_slice(case):
    made = baselines.blurred_target(case)
    one = ndimage.gaussian_filter(case.direction.target[1, ..., 0], baselines.BLUR_SIGMA)
    np.testing.assert_allclose(made[1, ..., 0], one, atol=1e-6)


def test_the_previous_slice_is_of_the_same_volume(case):
    made, target = baselines.previous_slice(case), case.direction.target
    np.testing.assert_array_equal(made, target[[1, 0, 1, 4, 3]])


def test_a_volume_of_one_slice_has_no_previous_one():
    assert baselines.previous_slice(paired(textured(1), textured(1))) is None


def test_every_baseline_is_described():
    assert list(baselines.BASELINES) == list(baselines.ABOUT)
