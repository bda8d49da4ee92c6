"""The estimated brain against the truth of the phantom, and against masks drawn on patients."""

import nibabel
import numpy as np
import pytest
from places import MRI, needs_mri
from scipy import ndimage

from tfcyclegan.evaluation.brain import brain_of
from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.head import simulate
from tfcyclegan.imaging.phantom.scanner import scan

SLICES = 12


def filled(masks: np.ndarray) -> np.ndarray:
    return np.stack([ndimage.binary_fill_holes(mask) for mask in masks])


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2.0 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def estimate(t2: np.ndarray, flair: np.ndarray) -> np.ndarray:
    count = len(t2)
    return brain_of(t2, flair, np.array([b"v"] * count), np.arange(count))


@pytest.fixture(scope="module")
def phantom():
    """T2, FLAIR, the true brain and the share of fat in each pixel, all [SLICES, 128, 128]."""
    grid = Grid(128, SLICES)
    head = simulate(grid, np.random.default_rng(5))
    images = scan(head.fractions, grid, np.random.default_rng(4))
    t2, flair = (images[name].pixels.astype(np.float32) for name in ("t2", "flair"))
    fat = head.fractions["fat"] + head.fractions["marrow"]
    return t2, flair, filled(np.asarray(head.brain, bool)), fat


def test_the_phantoms_brain_is_found_and_its_scalp_is_not(phantom):
    t2, flair, truth, fat = phantom
    found = estimate(t2, flair)
    assert dice(found, truth) > 0.95
    assert found[fat > 0.5].mean() < 0.01


def test_it_is_found_where_flair_suppresses_fat(phantom):
    t2, flair, truth, fat = phantom
    assert dice(estimate(t2, flair * (1.0 - 0.9 * fat)), truth) > 0.95


@pytest.mark.parametrize(
    ("t2", "flair"),
    [(1.2, 2.0), (1.2, 0.2), (0.3, 0.9), (2.5, 0.2)],
    ids=["fat", "suppressed fat", "muscle", "fluid"],
)
def test_what_touches_the_brain_and_is_no_tissue_of_it_is_left_out(t2, flair):
    brain = np.hypot(*(np.mgrid[:128, :128] - 63.5)) < 40
    beside = np.zeros((128, 128), bool)
    beside[50:78, 100:120] = True
    beside &= ~brain
    images = [np.where(beside, level, brain)[np.newaxis] for level in (t2, flair)]
    assert dice(estimate(*images)[0], brain) > 0.99
    same = (brain | beside)[np.newaxis].astype(float)
    assert dice(estimate(same, same)[0], same[0] > 0) > 0.99


def test_gains_and_windows_do_not_matter(phantom):
    t2, flair, *_ = phantom
    brain = estimate(t2, flair)
    np.testing.assert_array_equal(estimate(0.25 * t2, 4.0 * flair), brain)
    windowed = [np.clip(x, *np.percentile(x, (0.5, 99.5))) for x in (t2, flair)]
    assert dice(estimate(*(x - x.min() for x in windowed)), brain) > 0.99


def test_volumes_are_apart_and_slices_need_no_order(phantom):
    t2, flair, *_ = phantom
    order = np.random.default_rng(0).permutation(2 * SLICES)
    both = [np.concatenate([x, gain * x[::-1]])[order] for x, gain in ((t2, 0.3), (flair, 2.0))]
    volumes = np.repeat([b"v", b"w"], SLICES)[order]
    found = brain_of(*both, volumes, np.tile(np.arange(SLICES), 2)[order])
    alone = np.concatenate([estimate(t2, flair), estimate(t2[::-1], flair[::-1])])
    np.testing.assert_array_equal(found, alone[order])


def test_a_smaller_piece_below_the_brain_with_air_between_is_no_brain(phantom):
    t2, flair, *_ = phantom
    neck = np.hypot(*(np.mgrid[:128, :128] - 63.5)) < 40
    gap = np.zeros((2, 128, 128), np.float32)
    brain = estimate(t2, flair)
    longer = [
        np.concatenate([np.float32(np.median(image[brain]) * neck)[np.newaxis], gap, image])
        for image in (t2, flair)
    ]
    found = estimate(*longer)
    assert not found[:3].any()
    assert dice(found[3:], brain) > 0.999


def test_where_nothing_is_seen_nothing_is_found():
    blank = np.zeros((3, 32, 32), np.float32)
    assert not estimate(blank, blank).any()
    assert not estimate(blank, blank + 1.0).any()
    noise = np.random.default_rng(0).uniform(0, 1, (2, 3, 32, 32)).astype(np.float32)
    assert estimate(*noise).mean() < 0.05


@needs_mri
@pytest.mark.parametrize("case", [f"case0{number}" for number in range(1, 7)])
def test_real_brains_are_those_that_were_drawn(case):
    folder = MRI / "nifti" / case
    t2, flair, drawn = (
        np.moveaxis(nibabel.load(folder / f"{name}.nii.gz").get_fdata(), 2, 0)
        for name in ("T2", "FLAIR", "brain")
    )
    assert dice(estimate(t2, flair), filled(drawn > 0.5)) > 0.9
