"""Pairs that moved, and pairs that do not show one place, made on purpose from heads."""

import dataclasses

import numpy as np
import pytest
from paired_heads import HEIGHTS, PATIENTS, SIZE, brains, slices
from scipy import ndimage

from tfcyclegan.data import pair_fit
from tfcyclegan.data.pairing import Pairs


def pairs_of(change=lambda images: images, size: int = SIZE, patients: int = PATIENTS) -> Pairs:
    """Pairs in which bright and dark are exchanged, `change`d in domain b."""
    b = change(brains(size, inverted=True))
    return Pairs(slices(brains(size, inverted=False), patients), slices(b, patients), 0, 0)


@pytest.mark.parametrize("patients", [PATIENTS, 1])
def test_pairs_that_fit_stay_as_they_are(patients):
    pairs = pairs_of(patients=patients)
    found = pair_fit.fit(pairs)
    assert found.fits.all() and not found.shifts.any()
    assert found.described() == {"n_left_out": 0, "n_moved": 0, "moved_pixels_max": 0}
    np.testing.assert_array_equal(found.applied(pairs).b.images, pairs.b.images)


@pytest.mark.parametrize(("size", "factor"), [(64, 1), (256, 2)])
def test_a_slice_that_was_moved_is_moved_back_by_the_same_pixels(size, factor):
    """scipy moves them; the sign and the order of the axes are its own."""
    rng = np.random.default_rng(0)
    moves = rng.integers(-3, 4, (PATIENTS * HEIGHTS, 2)) * factor

    def change(images):
        return np.stack([
            ndimage.shift(image, move, order=0) for image, move in zip(images, moves, strict=True)
        ])  # fmt: skip

    pairs = pairs_of(change, size)
    found = pair_fit.fit(pairs)
    assert found.fits.all()
    np.testing.assert_array_equal(found.shifts, -moves)
    back, reach = found.applied(pairs).b.images, 3 * factor
    inside = (slice(None), slice(reach, -reach), slice(reach, -reach))
    np.testing.assert_array_equal(back[inside], brains(size, inverted=True)[inside])
    assert found.described()["n_moved"] == (moves != 0).any(axis=1).sum()
    assert found.described()["moved_pixels_max"] == 3 * factor


def rolled(images: np.ndarray, step: int) -> np.ndarray:
    by_patient = images.reshape(PATIENTS, HEIGHTS, *images.shape[1:])
    return np.roll(by_patient, step, axis=1).reshape(images.shape)


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images[:, :, ::-1],
        lambda images: rolled(images, 1),
        lambda images: rolled(images, 3),
        lambda images: np.roll(images, HEIGHTS, axis=0),
        lambda images: np.stack([ndimage.shift(i, (0, 9), order=0) for i in images]),
        lambda images: np.random.default_rng(0).integers(0, 65536, images.shape).astype(np.uint16),
    ],
    ids=["mirrored", "next slice", "another slice", "another patient", "far away", "noise"],
)
def test_pairs_that_show_different_places_do_not_fit(change):
    found = pair_fit.fit(pairs_of(change))
    assert not found.fits.any()
    assert found.described() == {
        "n_left_out": PATIENTS * HEIGHTS, "n_moved": 0, "moved_pixels_max": 0,
    }  # fmt: skip


def test_one_study_that_does_not_fit_leaves_the_others_alone():
    def change(images):
        images[:HEIGHTS] = images[:HEIGHTS, :, ::-1]
        return images

    pairs = pairs_of(change)
    found = pair_fit.fit(pairs)
    np.testing.assert_array_equal(found.fits, np.arange(PATIENTS * HEIGHTS) >= HEIGHTS)
    kept = found.applied(pairs)
    assert set(kept.a.metadata["id/patient"]) == {"01", "02", "03"} and len(kept) == 21


def test_a_single_slice_of_another_place_is_left_out_alone():
    def change(images):
        images[3] = images[17]
        return images

    found = pair_fit.fit(pairs_of(change))
    assert list(np.flatnonzero(~found.fits)) == [3]


def test_slices_too_small_to_tell_count_as_they_are():
    found = pair_fit.fit(pairs_of(lambda images: images[:, :, ::-1], size=32))
    assert found.fits.all() and not found.shifts.any()
    none = pairs_of().take(np.array([], int))
    assert len(pair_fit.fit(none).applied(none)) == 0


def test_slices_that_are_all_alike_fit():
    pairs = pairs_of()
    same = dataclasses.replace(
        pairs, a=pairs.a.take(np.zeros(28, int)), b=pairs.b.take(np.zeros(28, int))
    )
    assert pair_fit.fit(same).fits.all()
