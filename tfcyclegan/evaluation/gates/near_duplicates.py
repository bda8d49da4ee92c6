"""Slices of one split that are copies of another split's, saved again: not equal, and not others.

Between the nearest slices of different patients lies a distance; copies are far below it. In nine
real patients and twenty phantoms, as shares of its median, other patients are at 0.32 and more in
features, 0.25 in pixels. Copies of 8 bits, as JPEG of quality 75 or with 1 % of noise are below
0.11 and 0.04; blurred by 0.7 pixels 0.1 to 0.19 and below 0.04. A second scan of a patient is no
copy and is not found.
"""

from typing import NamedTuple

import numpy as np

from tfcyclegan.data import intensity
from tfcyclegan.data.slices import MIN_UNIT_STD, resample
from tfcyclegan.evaluation.gates.memorisation import nearest, thumbnails
from tfcyclegan.metrics.extractors import Extractor
from tfcyclegan.metrics.extractors import features as extractors_features

SIDE = 64
"""Side of the slices whose features are taken, pixels: most noise and coding is gone."""
NEAR = 0.15
"""Distance of a near duplicate, as a share of the median distance of nearest other patients."""
FEWEST, SHARE = 3, 0.5
"""Near duplicates of one patient in another that are no chance, and their share of his slices."""
ONE_SPLIT = "there is one split"
ONE_PATIENT = "no split has two patients, whose distance would be the measure"


class Embedded(NamedTuple):
    """Slices as they are compared: features [N, d], thumbnails [N, p], patients [N], splits [N]."""

    features: np.ndarray
    pixels: np.ndarray
    patients: np.ndarray
    splits: np.ndarray


def embedded(extractor: Extractor, images: np.ndarray, patients, split: str) -> Embedded:
    """Returns uint16 slices [N, H, W] in stored range as they are compared, without flat ones."""
    kept = images.std(axis=(1, 2)) > MIN_UNIT_STD * intensity.STORED_MAX
    images, patients = images[kept], np.asarray(patients)[kept]
    if not len(images):
        return Embedded(*np.zeros((2, 0, 1), np.float32), patients, np.full(0, split))
    small = intensity.stored_to_unit(resample(images, SIDE).astype(np.float32))[..., np.newaxis]
    features, splits = extractors_features.features(extractor, small), np.full(len(images), split)
    return Embedded(features, thumbnails(images), patients, splits)


def joined(parts: list[Embedded]) -> Embedded:
    """Returns all parts as one."""
    parts = [part for part in parts if len(part.patients)] or parts[:1]
    return Embedded(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def found(slices: Embedded) -> tuple[dict, tuple[str, str, int] | None]:
    """Looks for each slice's nearest in other splits.

    Args:
        slices: Of one sequence, all splits.

    Returns:
        What the report says, and (split, other split, slices) of the first patient that is another
        split's patient saved again; None where there is none.
    """
    if len(np.unique(slices.splits)) < 2:
        return {"slices": 0, "reason": ONE_SPLIT}, None
    spread = slices.features.std(axis=0)
    features = (slices.features - slices.features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    scale = [_scale(one, slices) for one in (features, slices.pixels)]
    if not all(scale):
        return {"slices": None, "reason": ONE_PATIENT}, None
    rows, distances = nearest(features, slices.splits, features, slices.splits)
    pixels = np.sqrt(np.mean((slices.pixels - slices.pixels[rows]) ** 2, axis=1))
    near = np.maximum(distances / scale[0], pixels / scale[1]) < NEAR
    report = {"slices": int(near.sum()), "n_slices": len(near), "nearest": float(distances.min())}
    report["median_of_other_patients"] = scale[0]
    return report, _copied(slices, rows, near)


def _scale(vectors: np.ndarray, slices: Embedded) -> float:
    """Returns the median distance to the nearest slice of another patient of the same split."""
    made = []
    for split in np.unique(slices.splits):
        rows = slices.splits == split
        own = slices.patients[rows]
        made.append(nearest(vectors[rows], own, vectors[rows], own)[1])
    made = np.concatenate(made)
    made = made[np.isfinite(made)]
    return float(np.median(made)) if made.size else 0.0


def _copied(slices: Embedded, rows: np.ndarray, near: np.ndarray) -> tuple[str, str, int] | None:
    keys = list(zip(slices.splits.tolist(), slices.patients.tolist(), strict=True))
    total: dict[tuple, int] = {}
    pairs: dict[tuple, int] = {}
    for i, key in enumerate(keys):
        total[key] = total.get(key, 0) + 1
        if near[i]:
            pair = (key, keys[rows[i]])
            pairs[pair] = pairs.get(pair, 0) + 1
    for (mine, other), count in pairs.items():
        if count >= max(FEWEST, SHARE * total[mine]):
            return mine[0], other[0], count
    return None
