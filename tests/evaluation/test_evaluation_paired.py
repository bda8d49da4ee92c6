"""Paired scores against closed forms, scikit-image and hand-made masks."""

import numpy as np
import pytest
from evaluation_cases import BRAIN, HEAD, SIZE, four, paired, textured
from scipy import ndimage
from skimage import metrics as measure

from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation import brain as evaluation_brain
from tfcyclegan.evaluation import cases
from tfcyclegan.evaluation.figures import paired as scores_of
from tfcyclegan.evaluation.figures import paper

LESION = np.zeros((2, SIZE, SIZE), bool)
LESION[0, 20:26, 22:28] = True


def test_an_offset_in_the_brain_is_seen_by_the_brain_and_diluted_by_the_frame():
    target = textured(2)
    made = target + 0.1 * BRAIN
    scores = scores_of.slice_scores(paired(target, target), four(made))
    np.testing.assert_allclose(scores["psnr_brain"], 20.0, atol=1e-4)
    np.testing.assert_allclose(scores["mae_brain"], 0.1, atol=1e-6)
    whole = 20.0 - 10 * np.log10(BRAIN.mean())
    np.testing.assert_allclose(scores["psnr"], whole, atol=1e-4)


def test_what_is_outside_the_brain_does_not_reach_brain_scores():
    target = textured(2)
    made = np.where(BRAIN, target, np.random.default_rng(1).uniform(0, 1, target.shape))
    scores = scores_of.slice_scores(paired(target, target), four(made))
    assert np.all(np.isposinf(scores["psnr_brain"])) and np.all(scores["ssim_brain"] == 1.0)
    assert np.all(scores["ssim"] < 0.7)


def test_an_erased_lesion_is_seen_by_the_map_in_the_mask_only():
    target = textured(2)
    target[LESION] = 0.95
    made = np.where(LESION, 0.45, target)
    scores = scores_of.slice_scores(paired(target, target, lesion=LESION), four(made))
    assert scores["ssim_lesion"][0] < 0.5 < 0.9 < scores["ssim"][0]
    assert scores["mae_lesion"][0] == pytest.approx(0.5, abs=1e-6)
    assert scores["mae_healthy"][0] == 0.0
    # The second slice has a mask and no lesion: undefined there, and all of the brain is healthy.
    assert np.isnan(scores["mae_lesion"][1]) and scores["mae_healthy"][1] == 0.0


def test_the_lesion_score_is_the_mean_of_scikit_images_map():
    target, made = textured(2), textured(2, seed=5)
    scores = scores_of.slice_scores(paired(target, target, lesion=LESION), four(made))
    real, fake = (np.where(BRAIN, four(x)[0, ..., 0].astype(float), 0) for x in (target, made))
    _, full = measure.structural_similarity(
        real, fake, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    assert scores["ssim_lesion"][0] == pytest.approx(full[LESION[0]].mean(), abs=1e-9)
    assert scores["ssim_brain"][0] == pytest.approx(full[BRAIN].mean(), abs=1e-9)


def test_patients_count_and_not_slices():
    target = np.concatenate([textured(3), textured(1, seed=2)])
    offset = np.array([0.1, 0.1, 0.1, 0.01])[:, None, None]
    case = paired(target, target, patients=[b"p", b"p", b"p", b"q"])
    made = four(target + offset * BRAIN)
    slices = scores_of.slice_scores(case, made)
    patients = scores_of.patient_scores(case, made, slices)
    assert patients["psnr_volume_brain"] == pytest.approx({b"p": 20.0, b"q": 40.0}, abs=1e-3)
    assert patients["mae_brain"] == pytest.approx({b"p": 0.1, b"q": 0.01}, abs=1e-6)


def test_blur_is_larger_for_the_blurred():
    target = textured(2)
    case = paired(target, target)
    sharp = scores_of.blur(case, four(target))["blur_brain"][b"p"]
    smooth = ndimage.gaussian_filter(target, (0, 2, 2))
    assert scores_of.blur(case, four(smooth))["blur_brain"][b"p"] > sharp + 0.1


def slices(images, brain=None, known=True, drawn=0, series=None) -> Slices:
    count = len(images)
    metadata = {
        "id/patient": np.array([b"p"] * count),
        "id/series": np.array(series or [b"s"] * count),
        "geom/slice_index": np.arange(count),
        "mask/brain": np.full(count, known),
        "mask/lesion": np.zeros(count, bool),
        "mask/ventricle": np.arange(count) < drawn,
    }
    empty = np.zeros(images.shape, bool)
    ventricle = np.zeros(images.shape, bool)
    ventricle[:drawn, 20:24, 20:24] = True
    masks = {"brain": empty if brain is None else brain, "lesion": empty, "ventricle": ventricle}
    return Slices(np.rint(images * 65535).astype(np.uint16), metadata, masks)


def case_of(a: Slices, b: Slices, sequences=("", "")) -> cases.Case:
    rows = np.stack([np.arange(len(a))] * 2, axis=1)
    return cases.cases_of(a, b, Pairs(a, b, 0, 0, rows), sequences)[0]


def test_the_scale_is_that_of_the_real_targets_brain():
    target, brain = textured(2), np.broadcast_to(BRAIN, (2, SIZE, SIZE))
    case = case_of(slices(0.5 * target, brain), slices(target, brain)).paired
    low, high = np.percentile(np.rint(target * 65535)[brain] / 65535, (0.5, 99.5))
    expected = np.clip((four(target)[..., 0] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(case.normalised(four(target)), expected, atol=1e-4)
    assert case.brain_rule == cases.RECORDS_RULE


def looks(scalp: float) -> np.ndarray:
    """Two slices of a head whose brain is between 0.3 and 0.6, its scalp brighter or darker."""
    return np.where(HEAD & ~BRAIN, scalp, textured(2) * BRAIN)


@pytest.mark.parametrize("sequences", [("t2", "flair"), ("flair", "t2")])
def test_without_masks_the_brain_is_estimated_from_t2_and_flair_and_this_is_named(sequences):
    images = {"t2": looks(0.5), "flair": looks(0.95)}
    unmasked = [slices(images[name], known=False) for name in sequences]
    case = case_of(*unmasked, sequences).paired
    assert case.brain_rule == evaluation_brain.RULE
    assert (case.brain[0] != BRAIN).mean() < 0.03
    # With the roles exchanged the scalp, twice as bright as the brain in FLAIR, is tissue.
    wrong = case_of(*unmasked, sequences[::-1]).paired
    assert (wrong.brain[0] != BRAIN).mean() > 0.1
    masked = [slices(images[name], np.broadcast_to(HEAD, (2, SIZE, SIZE))) for name in sequences]
    assert case_of(*masked, sequences).paired.brain_rule == cases.RECORDS_RULE


def test_a_volume_without_a_brain_is_left_out_and_costs_the_others_nothing():
    images = {"t2": looks(0.5), "flair": looks(0.95)}
    images["flair"][1] *= ~BRAIN
    sides = [slices(images[name], known=False, series=[b"v", b"w"]) for name in ("t2", "flair")]
    case = case_of(*sides, ("t2", "flair"))
    assert case.paired.brain_rule == evaluation_brain.RULE
    assert len(case.paired) == 1 and case.left_out == 1


@pytest.mark.parametrize("sequences", [("t2", "t1"), ("", "")])
def test_the_head_stands_in_for_the_brain_of_other_sequences(sequences):
    target = textured(2)
    case = case_of(slices(target, known=False), slices(target, known=False), sequences).paired
    assert case.brain_rule == cases.FOREGROUND_RULE
    np.testing.assert_array_equal(case.brain[0], HEAD)


def test_the_head_stands_in_where_no_brain_is_found():
    dark = slices(looks(0.9) * ~BRAIN, known=False)
    case = case_of(dark, slices(looks(0.9), known=False), ("t2", "flair")).paired
    assert case.brain_rule == cases.FOREGROUND_RULE


def test_the_sources_brain_mask_serves_where_the_target_has_none():
    target, brain = textured(2), np.broadcast_to(BRAIN, (2, SIZE, SIZE))
    case = case_of(slices(target, brain), slices(target, known=False)).paired
    assert case.brain_rule == cases.RECORDS_RULE and np.array_equal(case.brain, brain)


def test_ventricles_are_those_of_the_target_or_else_of_the_source():
    target, brain = textured(2), np.broadcast_to(BRAIN, (2, SIZE, SIZE))
    cases_of = [(2, 0), (0, 2), (0, 1), (0, 0)]
    paired = [
        case_of(slices(target, brain, drawn=a), slices(target, brain, drawn=b)).paired
        for a, b in cases_of
    ]
    known = [one.ventricle_known.tolist() for one in paired]
    assert known == [[True, True], [True, True], [True, False], [False, False]]
    found = [one.ventricle for one in paired]
    assert [0 if one is None else int(one.sum()) for one in found] == [32, 32, 16, 0]
    assert found[-1] is None


def test_an_empty_brain_has_no_scale_and_says_so():
    target = textured(2)
    case = case_of(slices(target), slices(target))
    assert case.paired is None and case.reason == cases.NO_WINDOW


def test_the_papers_scores_are_scikit_images_on_eight_bits():
    rng = np.random.default_rng(0)
    target = rng.uniform(0.2, 0.8, (2, 256, 256))
    made = np.clip(target + rng.normal(0, 0.1, target.shape), 0, 1)
    direction = paired(np.zeros((2, SIZE, SIZE)), np.zeros((2, SIZE, SIZE))).direction
    direction = type(direction)("a_to_b", four(target), four(target), *[np.arange(2)] * 3)
    entries = paper.entries(direction, four(made))
    stored = [np.rint(four(x)[..., 0] * np.float32(65535)).astype(float) for x in (target, made)]
    eight = [np.rint(x / 65535 * 255).astype(np.uint8) for x in stored]
    psnr = [measure.peak_signal_noise_ratio(x, y) for x, y in zip(*eight, strict=True)]
    ssim = [
        measure.structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(*eight, strict=True)
    ]
    assert entries["paper_psnr"]["value"] == pytest.approx(np.mean(psnr), abs=1e-9)
    assert entries["paper_ssim"]["value"] == pytest.approx(np.mean(ssim), abs=1e-9)
    # The published scales: mean over patients of a formula on the images as they are.
    pairs = [(x / x.max(), y / y.max()) for x, y in zip(target, made, strict=True)]
    maxnorm = [-10 * np.log10(np.mean((x - y) ** 2)) for x, y in pairs]
    assert entries["psnr_maxnorm"]["value"] == pytest.approx(np.mean(maxnorm), abs=1e-4)
    assert entries["psnr_maxnorm"]["n_patients"] == 2 and entries["psnr_maxnorm"]["ci"]
    gained = paper.entries(direction, four(0.8 * target))
    assert gained["psnr_meannorm"]["value"] > 100
    assert gained["ssim_maxnorm"]["value"] == pytest.approx(1.0, abs=1e-6)
    assert gained["paper_psnr"]["value"] < 25
