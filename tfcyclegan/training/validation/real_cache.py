"""Features of the real slices, computed once and kept in the workdir."""

import hashlib
import io
import json
import pathlib
import sys
import zipfile

import numpy as np
import tensorflow as tf

from tfcyclegan import files
from tfcyclegan.data import intensity
from tfcyclegan.data.slices import MIN_UNIT_STD, Slices
from tfcyclegan.data.validation_slices import slice_ids
from tfcyclegan.metrics.extractors import Extractor
from tfcyclegan.training.distribution.collectives import from_chief
from tfcyclegan.training.distribution.strategies import is_chief
from tfcyclegan.training.validation.sweep import Sweep

SCHEMA = 1


class DamagedCache(Exception):
    """A cache file whose content cannot be what was written."""


def cached(slices: Slices, extractor: Extractor, sweep: Sweep, path: pathlib.Path) -> np.ndarray:
    """Returns float32 features [N, d] of real slices, from the cache where it has them.

    The chief reads and writes the file; the other workers, who may not see its disk, compute with
    it where it has to compute.

    Args:
        slices: The slices, N > 0.
        extractor: Makes the features.
        sweep: Of `rows.real_features` over this extractor; all workers call this.
        path: The cache, an .npz file; a damaged one is reported in one line and made anew.
    """
    key, order, strategy = cache_key(slices, extractor), _order(slices), sweep.strategy
    stored = None
    if is_chief(strategy):
        try:
            stored = read(path, key, (len(slices), extractor.dimension))
        except DamagedCache as damage:
            print(f"warning: {path} is damaged ({damage}); computing it again", file=sys.stderr)
    hit = from_chief(strategy, stored is not None)
    if hit and stored is None:
        return np.full((len(slices), extractor.dimension), np.nan, np.float32)  # the chief has them
    if hit:
        features = np.empty_like(stored)
        features[order] = stored
        return features
    features = sweep({"real": slices.images})
    if is_chief(strategy) and np.isfinite(features).all():
        write(path, key, features[order])
    return features


def cache_key(slices: Slices, extractor: Extractor) -> str:
    """Returns the sha256 of everything that real features depend on; the order does not count."""
    images = [hashlib.sha256(np.ascontiguousarray(image)).hexdigest() for image in slices.images]
    described = {
        "schema": SCHEMA,
        "slices": sorted(
            [series.decode(), index, image]
            for (series, index), image in zip(slice_ids(slices), images, strict=True)
        ),
        "shape": slices.images.shape[1:],
        "filter": MIN_UNIT_STD,
        "normaliser": f"stored / {intensity.STORED_MAX}",
        "channels": "grey; the extractor repeats",
        "extractor": [extractor.name, extractor.resize, extractor.sha256],
        "dtype": "float32",
        # GPUs may convolve in TensorFloat-32.
        "device": "GPU" if tf.config.list_logical_devices("GPU") else "CPU",
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def read(path: pathlib.Path, key: str, shape: tuple[int, int]) -> np.ndarray | None:
    """Returns the cached features [N, d] in the order of their ids; None where there are none.

    The archive's own checksum covers the numbers; a covariance is computed from them each time, so
    that it is symmetric and positive by construction.

    Raises:
        DamagedCache: The file is no such archive, or what it holds is not what was written.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as held:
            if str(held["key"]) != key:
                return None
            features = held["features"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DamagedCache(type(error).__name__) from error
    if features.shape != shape or features.dtype != np.float32:
        raise DamagedCache(f"{features.dtype} {features.shape}, expected float32 {shape}")
    if not np.isfinite(features).all():
        raise DamagedCache("not finite")
    return features


def write(path: pathlib.Path, key: str, features: np.ndarray) -> None:
    """Writes the cache, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(content, key=key, features=features)
    files.write(path, content.getvalue(), flag=None)


def _order(slices: Slices) -> np.ndarray:
    ids = slice_ids(slices)
    return np.array(sorted(range(len(ids)), key=ids.__getitem__))
