"""The contrast check on fluid whose place and brightness are known."""

import numpy as np
import pytest
from evaluation_cases import BRAIN, COLUMNS, HEAD, ROWS, four, paired
from scipy import ndimage

from tfcyclegan.evaluation.cases import FOREGROUND_RULE
from tfcyclegan.evaluation.figures import contrast
from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.head import simulate
from tfcyclegan.imaging.phantom.scanner import scan

FLUID = np.hypot(ROWS, COLUMNS - 3) < 3.5


def heads(fluid: float, scalp: float, seed: int = 0, count: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.02, (count, *HEAD.shape))
    tissue = np.where(FLUID, fluid, 0.5 + 0.01 * COLUMNS)
    return np.clip(np.where(BRAIN, tissue, scalp + 0.01 * ROWS) + noise, 0.01, 1) * HEAD


@pytest.fixture(scope="module")
def case():
    return paired(heads(0.95, 0.6), heads(0.1, 0.6, seed=1))


@pytest.mark.parametrize("swapped", [False, True])
def test_fluid_is_where_it_was_put_whichever_domain_shows_it_bright(case, swapped):
    images = (case.direction.source[..., 0], case.direction.target[..., 0])
    found = contrast.fluid_of(paired(*(images[::-1] if swapped else images)))
    for mask in found:
        np.testing.assert_array_equal(mask, FLUID)


def test_ventricles_are_judged_inside_their_mask_and_not_without_one(case):
    """Twice as bright as the target everywhere in the mask, which is not where the rule looks."""
    box = np.zeros((3, *HEAD.shape), bool)
    box[:, 12:18, 20:26] = True
    target = case.direction.target[..., 0]
    drawn = paired(case.direction.source[..., 0], target, ventricle=box)
    made = contrast.patient_values(drawn, four(np.where(box, 2 * target, target)))
    assert made["ventricle_contrast_log_ratio"][b"p"] == pytest.approx(np.log(2), abs=1e-6)
    expected = 2 * target[box].mean() / target[np.broadcast_to(BRAIN, box.shape) & ~box].mean()
    assert made["ventricle_contrast"][b"p"] == pytest.approx(expected, rel=1e-6)
    # The ventricles of a slice without a mask of them are not the rest of the brain.
    box[1] = False
    some = contrast.patient_values(
        paired(case.direction.source[..., 0], target, ventricle=box), case.direction.target
    )
    rest = np.broadcast_to(BRAIN, box.shape)[[0, 2]] & ~box[[0, 2]]
    expected = target[box].mean() / target[[0, 2]][rest].mean()
    assert some["ventricle_contrast"][b"p"] == pytest.approx(expected, rel=1e-6)
    without = contrast.patient_values(case, case.direction.source)
    assert without["ventricle_contrast"] == without["ventricle_contrast_log_ratio"] == {}


def test_fluid_as_bright_as_in_the_source_is_seen(case):
    figures = contrast.patient_values(case, case.direction.source)
    source, target = (
        x[:, FLUID].mean() / x[:, BRAIN & ~FLUID].mean()
        for x in (case.direction.source[..., 0], case.direction.target[..., 0])
    )
    assert figures["fluid_contrast"][b"p"] == pytest.approx(source, rel=1e-4)
    expected = np.log(source / target)
    assert figures["fluid_contrast_log_ratio"][b"p"] == pytest.approx(expected, abs=1e-4)
    assert expected > 2
    right = contrast.patient_values(case, case.direction.target)
    assert right["fluid_contrast_log_ratio"] == {b"p": 0.0}


@pytest.mark.parametrize("rule", [None, FOREGROUND_RULE])
def test_an_inverted_head_has_the_wrong_sign_in_the_scalp(case, rule):
    changed = case if rule is None else type(case)(**{**vars(case), "brain_rule": rule})
    inverted = (1.0 - case.direction.source) * four(HEAD[None])
    wrong = contrast.patient_values(changed, inverted)["source_correlation_scalp"][b"p"]
    right = contrast.patient_values(changed, case.direction.source)["source_correlation_scalp"]
    assert wrong == pytest.approx(-1.0, abs=1e-4) and right[b"p"] == pytest.approx(1.0, abs=1e-4)


def test_unpaired_correlations_need_no_target(case):
    source, patients = case.direction.source, case.direction.patients
    made = contrast.unpaired_values(source, source, patients)
    assert set(made) == set(contrast.CORRELATIONS)
    assert all(values[b"p"] == pytest.approx(1.0) for values in made.values())


def test_the_rule_finds_the_phantoms_fluid():
    grid = Grid(128, 12)
    head = simulate(grid, np.random.default_rng(5))
    images = scan(head.fractions, grid, np.random.default_rng(4))
    t2, flair = (x / np.percentile(x, 99.5) for x in (images[s].pixels for s in ("t2", "flair")))
    brain = np.stack([ndimage.binary_fill_holes(mask) for mask in head.brain])
    found = contrast.fluid_of(paired(np.clip(t2, 0, 1), np.clip(flair, 0, 1), brain=brain))
    assert found[np.asarray(head.ventricles, bool)].mean() > 0.7
    fluid = head.fractions["csf"] + head.fractions["ventricle"]
    assert fluid[found].mean() > 0.75
