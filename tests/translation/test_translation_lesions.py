"""Lesions of a made-up volume: which were kept, and what appeared elsewhere."""

import numpy as np

from tfcyclegan.translation import lesion_fate

SIZE = 256


def box(y: int, x: int, side: int = 12) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def volume(size: int):
    """Two slices with two lesions each; three are bright, and two spots are elsewhere."""
    noise = np.random.default_rng(0).normal(0.4, 0.02, (3, SIZE, SIZE)).astype(np.float32)
    brain = box(40, 40, 160)
    lesion = [box(60, 60) | box(120, 120), box(60, 60) | box(120, 60), None]
    images = noise * brain
    images[0][box(60, 60) | box(120, 120) | box(160, 80)] = 0.9
    images[1][box(120, 60) | box(80, 140)] = 0.9
    images[1][box(10, 10)] = 0.9  # in the air, where nobody looks
    images[2][box(100, 100)] = 0.9  # of a slice whose lesions nobody knows
    records = [{"mask/lesion": mask, "mask/brain": brain} for mask in lesion]
    step = SIZE // size
    return records, images.reshape(3, size, step, size, step).mean((2, 4))


def test_lesions_are_counted_at_any_size():
    for size in (256, 128):
        assert lesion_fate.fate(*volume(size)) == (3, 4, 2)


def test_without_masks_nothing_is_said():
    records, images = volume(128)
    assert lesion_fate.fate([{**r, "mask/lesion": None} for r in records], images) is None
    assert lesion_fate.fate([{**r, "mask/brain": None} for r in records], images) is None
