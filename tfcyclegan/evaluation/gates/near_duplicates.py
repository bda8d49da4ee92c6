"""Slices of one split that are copies of another split's slices, saved again with other pixels.

The nearest slices of different patients are some distance apart, and copies are far below it. What
follows are shares of the median of that distance, in nine real patients and twenty phantoms. Other
patients are at 0.32 and more in features, and at 0.25 and more in pixels. Copies of 8 bits, as JPEG
of quality 75 or with 1 % of noise are below 0.11 in features and 0.04 in pixels. Copies blurred by
0.7 pixels are at 0.1 to 0.19 in features and below 0.04 in pixels. A second scan of a patient is no
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
"""A patient is a copy of another if so many of his slices, and this share of them, are near
duplicates of the other's."""
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
    scale = [_scale(vectors, slices) for vectors in (features, slices.pixels)]
    if not all(scale):
        return {"slices": None, "reason": ONE_PATIENT}, None
    rows, distances = nearest(features, slices.splits, features, slices.splits)
    pixels = np.sqrt(np.mean((slices.pixels - slices.pixels[rows]) ** 2, axis=1))
    # A near duplicate is near in features and in pixels.
    near = np.maximum(distances / scale[0], pixels / scale[1]) < NEAR
    report = {"slices": int(near.sum()), "n_slices": len(near), "nearest": float(distances.min())}
    report["median_of_other_patients"] = scale[0]
    return report, _copied(slices, rows, near)


def _scale(vectors: np.ndarray, slices: Embedded) -> float:
    """Returns the median distance to the nearest slice of another patient of the same split."""
    distances = []
    for split in np.unique(slices.splits):
        rows = slices.splits == split
        patients = slices.patients[rows]
        distances.append(nearest(vectors[rows], patients, vectors[rows], patients)[1])
    distances = np.concatenate(distances)
    distances = distances[np.isfinite(distances)]
    return float(np.median(distances)) if distances.size else 0.0


def _copied(slices: Embedded, rows: np.ndarray, near: np.ndarray) -> tuple[str, str, int] | None:
    keys = list(zip(slices.splits.tolist(), slices.patients.tolist(), strict=True))
    total: dict[tuple, int] = {}
    pairs: dict[tuple, int] = {}
    for i, key in enumerate(keys):
        total[key] = total.get(key, 0) + 1
        if near[i]:
            pair = (key, keys[rows[i]])
            pairs[pair] = pairs.get(pair, 0) + 1
    for (own_key, other_key), count in pairs.items():
        if count >= max(FEWEST, SHARE * total[own_key]):
            return own_key[0], other_key[0], count
    return None
