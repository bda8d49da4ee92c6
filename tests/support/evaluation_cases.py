"""Hand-made pairs for tests of the evaluation, without records or a network."""

import numpy as np

from tfcyclegan.evaluation import directions
from tfcyclegan.evaluation.cases import RECORDS_RULE, Paired
from tfcyclegan.metrics import ReferenceNormaliser

SIZE = 48
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
HEAD = np.hypot(ROWS, COLUMNS) < 21
BRAIN = np.hypot(ROWS, COLUMNS) < 16
UNIT = ReferenceNormaliser(0.0, 1.0)
"""Leaves unit range as it is, so that a test can say what comes out."""


def paired(
    source: np.ndarray,
    target: np.ndarray,
    *,
    patients=None,
    brain: np.ndarray | None = None,
    lesion: np.ndarray | None = None,
    ventricle: np.ndarray | None = None,
    rule: str = RECORDS_RULE,
) -> Paired:
    """Pairs [P, SIZE, SIZE], one volume per patient; all of one patient unless said otherwise."""
    count = len(target)
    patients = np.array([b"p"] * count if patients is None else patients)
    direction = directions.Direction(
        "a_to_b",
        source[..., None].astype(np.float32),
        target[..., None].astype(np.float32),
        patients,
        np.array([b"v" + patient for patient in patients]),
        np.arange(count),
    )
    known = np.full(count, lesion is not None)
    return Paired(
        direction,
        np.broadcast_to(BRAIN if brain is None else brain, target.shape),
        rule,
        np.zeros(target.shape, bool) if lesion is None else lesion,
        known,
        dict.fromkeys(direction.volumes, UNIT),
        ventricle,
        None if ventricle is None else ventricle.any(axis=(1, 2)),
    )


def textured(count: int, seed: int = 0) -> np.ndarray:
    """Heads of noise between 0.3 and 0.6, 0 outside, [count, SIZE, SIZE]."""
    noise = np.random.default_rng(seed).uniform(0.3, 0.6, (count, SIZE, SIZE))
    return noise * HEAD


def four(images: np.ndarray) -> np.ndarray:
    """float32 [N, H, W, 1] of [N, H, W]."""
    return images[..., None].astype(np.float32)
