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


def thin(sharpness: float, noise: float, offset: float, spacing: float = 1.0) -> Pairs:
    """Slices so thin that the next one looks much the same; b lies by `offset` of them further."""
    images, places = {"a": [], "b": []}, {"a": [], "b": []}
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    inside = np.hypot(y * 1.1, x) < 0.38
    count = PATIENTS * HEIGHTS
    for patient in range(PATIENTS):
        rng = np.random.default_rng(patient)
        volume = rng.normal(size=(2 * HEIGHTS + 40, SIZE, SIZE))
        volume = ndimage.gaussian_filter(volume, (2 * sharpness, 2, 2))
        volume /= np.abs(volume).max()
        for height in range(HEIGHTS):
            at = 2 * height + 20
            for side, texture in (("a", volume[at]), ("b", -volume[at + round(2 * offset)])):
                value = 0.5 + 0.4 * texture + noise * rng.normal(size=texture.shape)
                images[side].append(np.where(inside, np.clip(value, 0, 1), 0.0) * 65535)
                places[side].append(spacing * (height + (offset if side == "b" else 0.0)))
    made = {}
    for side in "ab":
        of_side = slices(np.array(images[side]).astype(np.uint16))
        of_side.metadata["geom/frame_pos_mm"] = np.array(places[side], np.float32)
        made[side] = of_side
    assert len(made["a"]) == count
    return Pairs(made["a"], made["b"], 0, 0)


@pytest.mark.parametrize(
    ("sharpness", "noise", "offset", "spacing"),
    [(4, 0.06, 0, 1), (8, 0.03, 0, 1), (4, 0, 0.5, 1), (1.2, 0, 0.5, 3), (1.2, 0.03, 0.5, 3)],
)
def test_thin_slices_and_partners_half_a_slice_away_fit(sharpness, noise, offset, spacing):
    found = pair_fit.fit(thin(sharpness, noise, offset, spacing))
    assert found.fits.all() and not found.shifts.any()


@pytest.mark.parametrize("size", [65, 100, 259, 400])
def test_a_size_that_nothing_divides_is_looked_at_too(size):
    pairs = pairs_of(lambda images: np.roll(images, (3, -2), (1, 2)), size)
    found = pair_fit.fit(pairs)
    assert found.fits.all() and (found.shifts == [-3, 2]).mean() > 0.9
    assert np.abs(found.shifts - [-3, 2]).max() <= 1


def test_what_was_found_has_a_digest_of_its_own():
    digests = [
        pair_fit.fit(pairs_of(change)).digest()
        for change in (
            lambda b: b,
            lambda b: b,
            lambda b: np.roll(b, 1, 1),
            lambda b: b[:, :, ::-1],
        )
    ]
    assert digests[0] == digests[1] and len(set(digests)) == 3


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
