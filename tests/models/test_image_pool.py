"""The pool hands back what it was given, half of the time from its past."""

import numpy as np
import tensorflow as tf

from tfcyclegan.models.step.image_pool import ImagePool


def image(value: float) -> tf.Tensor:
    return tf.fill([1, 2, 2, 1], float(value))


def run(pool, values) -> list[int]:
    step = tf.function(pool)
    return [int(step(image(value))[0, 0, 0, 0]) for value in values]


def test_the_first_images_come_back_as_they_are():
    assert run(ImagePool(5, (2, 2, 1), seed=3), range(5)) == [0, 1, 2, 3, 4]


def test_afterwards_half_are_new_and_half_come_from_the_past_once():
    returned = run(ImagePool(10, (2, 2, 1), seed=3), range(500))[10:]
    new = [value == n for n, value in enumerate(returned, 10)]
    assert 0.42 < np.mean(new) < 0.58  # 490 fair coins: +-3.5 standard deviations
    past = [value for value, is_new in zip(returned, new, strict=True) if not is_new]
    # What comes back from the past leaves the pool.
    assert len(past) == len(set(past))
    assert all(value <= n for n, value in enumerate(returned, 10))


def test_every_slot_takes_part():
    pool = ImagePool(4, (2, 2, 1), seed=0)
    run(pool, range(60))
    kept = np.asarray(pool.images)[:, 0, 0, 0]
    assert len(set(kept)) == 4 and kept.min() >= 4


def test_a_batch_is_exchanged_image_by_image():
    pool, other = ImagePool(3, (2, 2, 1), seed=1), ImagePool(3, (2, 2, 1), seed=1)
    batch = tf.concat([image(n) for n in range(8)], axis=0)
    made = [int(v) for v in pool(batch)[:, 0, 0, 0]]
    assert made == run(other, range(8))


def test_size_zero_is_off_and_same_seed_repeats():
    assert run(ImagePool(0, (2, 2, 1), seed=1), range(6)) == list(range(6))
    runs = [run(ImagePool(3, (2, 2, 1), seed=s), range(40)) for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_recalled_images_are_stored_ones_each_as_often_and_change_nothing():
    pool, drawn = ImagePool(4, (2, 2, 1), seed=2), []
    for n in range(600):
        _, state = pool.exchange(image(n))
        made = [int(value) for value in pool.recall(3, state)[:, 0, 0, 0]]
        stored = [int(value) for value in state[0][: min(n + 1, 4), 0, 0, 0]]
        assert set(made) <= set(stored)
        np.testing.assert_array_equal(pool.recall(3, state), pool.recall(3, state))
        drawn += [stored.index(value) for value in made] if n >= 3 else []
        pool.keep(state)
    # 1,791 draws of one of four: a share of a quarter +-3.5 standard deviations.
    assert np.abs(np.bincount(drawn) / len(drawn) - 0.25).max() < 0.036
