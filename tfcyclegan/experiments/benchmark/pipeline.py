"""How many examples per second the input pipeline makes, with all augmentations, by itself."""

import time

import numpy as np

from tfcyclegan.config import BenchmarkConfig
from tfcyclegan.data import slices
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.batches import training_batches

SLICES = 256
SECONDS = 5.0
"""Time for which batches are drawn, after the first ones."""
PAPER = Augmentation(
    flips=("horizontal", "vertical"), rotations=(30.0, 60.0, 90.0), brightness=0.5, contrast=0.2
)


def measure(settings: BenchmarkConfig) -> dict:
    """Draws batches of two domains from slices in memory, as training does."""
    domains = [_slices(settings.size, seed) for seed in (0, 1)]
    batches = training_batches(
        *domains, batch_size=settings.batch_size, first_step=0, seed=0, augmentation=PAPER
    )
    iterator = iter(batches)
    for _ in range(10):
        next(iterator)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        next(iterator)
        count += 1
    rate = count / (time.perf_counter() - start)
    return {
        "size": settings.size,
        "batch_size": settings.batch_size,
        "batches_per_s": round(rate, 1),
        "images_per_s": round(2 * settings.batch_size * rate, 1),
    }


def _slices(size: int, seed: int) -> slices.Slices:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 65536, (SLICES, size, size), np.uint16)
    return slices.Slices(images, {"geom/slice_frac": np.linspace(0, 1, SLICES)})
