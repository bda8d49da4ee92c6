"""Lesions lost and invented, counted by hand."""

import numpy as np
import pytest
from evaluation_cases import BRAIN, SIZE, four, paired

from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation.figures import lesions

FIRST, SECOND = np.zeros((2, SIZE, SIZE), bool)
FIRST[20:24, 20:24] = True
SECOND[28:31, 26:30] = True
FALSE = np.zeros((SIZE, SIZE), bool)
FALSE[16:19, 28:32] = True


@pytest.fixture(scope="module")
def case():
    """One slice with two lesions of 0.9 in tissue of 0.4, one without; a little noise."""
    tissue = 0.4 + np.random.default_rng(0).normal(0, 0.01, (2, SIZE, SIZE))
    lesion = np.stack([FIRST | SECOND, np.zeros_like(FIRST)])
    target = np.where(lesion, 0.9, tissue) * BRAIN
    return paired(target, target, lesion=lesion)


def test_one_lesion_kept_one_lost_two_invented(case):
    made = case.direction.target[..., 0].copy()
    made[0][SECOND] = 0.4
    made[0][FALSE] = made[1][FALSE] = 0.8
    made[1, 24, 24] = 0.8  # smaller than the smallest spot
    figures = lesions.patient_values(case, four(made))
    assert figures["lesion_detection"] == {b"p": 0.5}
    assert figures["lesion_false_positives_lesion_slices"] == {b"p": 1.0}
    assert figures["lesion_false_positives_free_slices"] == {b"p": 1.0}
    assert figures["lesion_spot_prevalence"] == {b"p": 1.0}, "the free slice has one too"
    overlap, spots, mask = FIRST.sum(), FIRST.sum() + 2 * FALSE.sum(), (FIRST | SECOND).sum()
    assert figures["lesion_dice"][b"p"] == pytest.approx(2 * overlap / (spots + mask))


def test_real_lesions_are_found_and_their_contrast_is_kept(case):
    figures = lesions.patient_values(case, case.direction.target)
    assert figures["lesion_detection"] == {b"p": 1.0} and figures["lesion_dice"] == {b"p": 1.0}
    assert figures["lesion_false_positives_free_slices"] == {b"p": 0.0}
    assert figures["lesion_spot_prevalence"] == {b"p": 0.5}
    assert figures["lesion_contrast"][b"p"] == pytest.approx(0.9 / 0.4, rel=2e-3)
    assert figures["lesion_contrast_log_ratio"] == {b"p": 0.0}


def test_half_the_contrast_is_a_log_ratio_of_minus_ln_2(case):
    made = case.direction.target[..., 0].copy()
    made[case.lesion] = 0.45
    figures = lesions.patient_values(case, four(made))
    assert figures["lesion_contrast_log_ratio"][b"p"] == pytest.approx(-np.log(2), abs=1e-6)


def test_without_masks_there_is_nothing_to_say(case):
    target = case.direction.target[..., 0]
    figures = lesions.patient_values(paired(target, target), case.direction.target)
    assert figures == {name: {} for name in lesions.NAMES}


def test_prevalence_counts_slices_with_a_mask_only():
    masks = {"lesion": np.stack([FIRST, FIRST & False, FIRST])}
    known = {"mask/lesion": np.array([True, True, False])}
    images = np.zeros((3, SIZE, SIZE), np.uint16)
    assert lesions.prevalence(Slices(images, known, masks)) == {"value": 0.5, "n_slices": 2}
    assert lesions.prevalence(Slices(images, {}))["value"] is None
