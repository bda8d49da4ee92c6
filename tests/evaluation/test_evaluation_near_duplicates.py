"""A patient saved again under another id is found; other patients and single slices are not."""

import numpy as np
import pytest
from scipy import ndimage

from tfcyclegan.evaluation.gates import near_duplicates
from tfcyclegan.metrics.extractors import make_extractor

SIDE, SLICES = 256, 4


def scan(seed: int) -> np.ndarray:
    """Slices of one patient, uint16: a disc of a texture and a brightness of its own."""
    noise = np.random.default_rng(seed).normal(size=(SLICES, SIDE, SIDE))
    texture = ndimage.gaussian_filter(noise, (1, 6 + seed, 6 + seed))
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    head = np.hypot(x, y) < 0.45
    unit = np.clip(0.2 + 0.1 * seed + 0.1 * texture / texture.std(), 0, 1) * head
    return np.rint(unit * 65535).astype(np.uint16)


def saved_again(images: np.ndarray) -> np.ndarray:
    """The same in 8 bits, a little blurred."""
    return np.rint(ndimage.gaussian_filter(images / 257, (0, 0.4, 0.4))).astype(np.uint16) * 257


@pytest.fixture(scope="module")
def extractor():
    return make_extractor("randconv_v1")


def found(extractor, **splits):
    """What is said of scans by split, patient after patient."""
    parts = []
    for split, scans in splits.items():
        owners = [np.array([f"{split}{i}".encode()] * len(one)) for i, one in enumerate(scans)]
        for images, patients in zip(scans, owners, strict=True):
            parts.append(near_duplicates.embedded(extractor, images, patients, split))
    return near_duplicates.found(near_duplicates.joined(parts))


def test_a_patient_saved_again_is_found(extractor):
    train = [scan(seed) for seed in range(4)]
    report, copied = found(extractor, train=train, test=[scan(4), saved_again(train[2])])
    # Each copy is near its original and each original near its copy.
    assert report["slices"] == 2 * SLICES, report
    assert set(copied[:2]) == {"train", "test"} and copied[2] == SLICES


def test_other_patients_are_not(extractor):
    scans = [scan(seed) for seed in range(6)]
    report, copied = found(extractor, train=scans[:4], test=scans[4:])
    assert report["slices"] == 0 and copied is None
    assert report["nearest"] > near_duplicates.NEAR * report["median_of_other_patients"]


def test_single_slices_are_counted_and_no_error(extractor):
    train, other = [scan(seed) for seed in range(4)], scan(4)
    other[:2] = saved_again(train[0])[:2]
    report, copied = found(extractor, train=train, test=[other])
    assert report["slices"] == 4 and copied is None, report


def test_without_a_measure_nothing_is_said(extractor):
    report, copied = found(extractor, train=[scan(0)], test=[saved_again(scan(0))])
    assert report == {"slices": None, "reason": near_duplicates.ONE_PATIENT} and copied is None
    report, copied = found(extractor, train=[scan(0), scan(1)])
    assert report == {"slices": 0, "reason": near_duplicates.ONE_SPLIT} and copied is None
    report, copied = found(extractor, train=[0 * scan(0)], test=[0 * scan(1)])
    assert report["slices"] == 0 and copied is None
