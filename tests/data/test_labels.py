"""Label images and lesions of other patients, against masks that are known."""

import numpy as np
import pytest
import tensorflow as tf
from simulated_heads import slices

from tfcyclegan.data import labels
from tfcyclegan.data.augment import Augmentation, augment, augment_masks
from tfcyclegan.data.labelled_batches import labelled_batches
from tfcyclegan.data.pairing import Pairs

SIZE = 32
TURNS = Augmentation(flips=("horizontal", "vertical"), rotations=(90.0, 180.0, 270.0))


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


LESIONS = [square(4, 4, 5), square(6, 18, 6), square(0, 0, 0), square(9, 9, 3)]
BRAINS = [square(2, 2, 12), square(2, 2, 26), square(2, 2, 26), square(2, 2, 26)]
PATIENTS = [b"p", b"q", b"r", b"q"]
PLACES = [0.2, 0.3, 0.9, 0.5]


def pairs(known=(True, True, True, True), known_b=None) -> Pairs:
    """Four pairs; the grey of each slice is its row, so that a batch says which it is."""
    images = np.stack([np.full((SIZE, SIZE), 0.2 * (row + 1), np.float32) for row in range(4)])
    masks = {
        "lesion": np.stack(LESIONS),
        "brain": np.stack(BRAINS),
        "ventricle": np.stack([square(14, 14, 2)] * 4),
    }
    sides = []
    for told in (known, known if known_b is None else known_b):
        side = slices(images)
        side.metadata["id/patient"] = np.array(PATIENTS)
        side.metadata["geom/slice_frac"] = np.array(PLACES, np.float32)
        for name in masks:
            side.metadata[f"mask/{name}"] = np.array(told)
            side.masks[name] = masks[name] & np.array(told)[:, None, None]
        sides.append(side)
    return Pairs(*sides, 0, 0)


def test_a_label_image_has_its_channels_apart():
    image = labels.images(labels.of_pairs(pairs())[1].masks[0])
    assert image.shape == (SIZE, SIZE, 3) and set(np.unique(image)) == {-1.0, 1.0}
    np.testing.assert_array_equal(image[..., 0] > 0, LESIONS[0])
    np.testing.assert_array_equal(image[..., 1] > 0, BRAINS[0] & ~LESIONS[0])
    np.testing.assert_array_equal(image[..., 2] > 0, square(14, 14, 2))


def donors(made: labels.Labels, row: int) -> list[int]:
    return list(made.donors[made.first[row] :][: made.count[row]])


def test_donors_are_of_other_patients_and_fit_into_the_brain():
    """The lesion of row 1 lies outside the brain of row 0, and that of row 3 is too small."""
    made = labels.of_pairs(pairs())[1]
    assert [donors(made, row) for row in range(4)] == [[], [0], [0, 1], [0]]


def test_donors_lie_near_in_the_head():
    made = labels.of_pairs(pairs(), tolerance=0.15)[1]
    assert [donors(made, row) for row in range(4)] == [[], [0], [], []]


def test_a_foreign_lesion_lies_in_the_brain_that_keeps_all_else():
    made = labels.of_pairs(pairs())[1]
    for draw, donor in ((0.0, 0), (0.49, 0), (0.5, 1), (0.999, 1)):
        foreign = made.foreign(2, draw)
        np.testing.assert_array_equal(foreign[..., 0], LESIONS[donor] & BRAINS[2])
        np.testing.assert_array_equal(foreign[..., 1:], made.masks[2][..., 1:])
    np.testing.assert_array_equal(made.foreign(0, 0.3), made.masks[0])  # nobody's fits


def test_pairs_without_masks_are_left_out_and_either_domain_may_have_them():
    kept, made = labels.of_pairs(pairs((True, False, True, False), (False, False, True, True)))
    assert list(kept.a.metadata["geom/slice_frac"]) == pytest.approx([0.2, 0.9, 0.5])
    for masks, row in zip(made.masks, (0, 2, 3), strict=True):
        np.testing.assert_array_equal(masks[..., 0], LESIONS[row])
    none, empty = labels.of_pairs(pairs((False,) * 4))
    assert len(none) == len(empty) == len(labels.drawn(empty, np.arange(5))[0]) == 0


def test_a_virtual_patient_is_the_same_however_many_are_drawn():
    made = labels.of_pairs(pairs())[1]
    few, rows = labels.drawn(made, np.arange(3))
    many, more = labels.drawn(made, np.arange(43))
    np.testing.assert_array_equal(many[:3], few)
    assert list(more[:6]) == [0, 1, 2, 3, 0, 1] and list(rows) == [0, 1, 2]
    assert len({masks.tobytes() for masks in many[2::4]}) == 2  # row 2 has two donors


@pytest.mark.parametrize("seed", range(12))
def test_masks_are_turned_as_their_images(seed):
    image = tf.constant(np.random.default_rng(seed).random((SIZE, SIZE, 1)) < 0.5)
    key = tf.constant([3, seed], tf.int64)
    turned = augment(tf.cast(image, tf.float32), key, TURNS) > 0.5
    np.testing.assert_array_equal(augment_masks(image, key, TURNS), turned)


def batches(first_step: int, count: int, settings: Augmentation = TURNS) -> list:
    kept, made = labels.of_pairs(pairs())
    stream = labelled_batches(
        kept, made, batch_size=2, first_step=first_step, seed=7, augmentation=settings
    )
    return list(stream.take(count).as_numpy_iterator())


def test_a_batch_is_of_one_head_and_its_labels():
    plain = Augmentation()
    made, seen = labels.of_pairs(pairs())[1], set()
    for a, b, own, foreign in batches(0, 8, plain):
        np.testing.assert_array_equal(a, b)
        for image, mine, other in zip(a, own, foreign, strict=True):
            row = round(float((image[0, 0, 0] + 1) / 2) / 0.2) - 1
            np.testing.assert_array_equal(mine, labels.images(made.masks[row]))
            allowed = [labels.images(made.foreign(row, draw)) for draw in (0.0, 0.99)]
            found = [np.array_equal(other, each) for each in allowed]
            assert any(found)
            seen.add((row, found.index(True)))
    assert seen == {(0, 0), (1, 0), (2, 0), (2, 1), (3, 0)}  # each row, and both donors of row 2


def test_an_example_depends_on_its_number_alone():
    for one, other in zip(batches(0, 6)[3:], batches(3, 3), strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)
