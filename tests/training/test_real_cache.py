"""Features of real slices on disk: found again, refused when damaged, never those of others."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from validation_run import noise

from tfcyclegan.metrics.extractors import make_extractor
from tfcyclegan.training.validation import real_cache
from tfcyclegan.training.validation.rows import real_features
from tfcyclegan.training.validation.sweep import Sweep

EXTRACTOR = make_extractor("randconv_v1")
SLICES = noise(5, 1)
SWEEP = Sweep(tf.distribute.get_strategy(), real_features(EXTRACTOR))


def forbidden(rows):
    raise AssertionError("the features were computed again")


forbidden.strategy = SWEEP.strategy


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "real_b.npz"


@pytest.fixture
def features(path):
    return real_cache.cached(SLICES, EXTRACTOR, SWEEP, path)


def test_what_was_computed_is_found_again_row_by_row(features, path):
    np.testing.assert_allclose(features, EXTRACTOR(SLICES.unit()).numpy(), atol=1e-5)
    np.testing.assert_array_equal(real_cache.cached(SLICES, EXTRACTOR, forbidden, path), features)
    order = np.array([3, 1, 4, 0, 2])
    again = real_cache.cached(SLICES.take(order), EXTRACTOR, forbidden, path)
    np.testing.assert_array_equal(again, features[order])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_other_slices_pixels_or_weights_are_computed(features, path, capsys):
    pixels = SLICES.images.copy()
    pixels[2, 3, 4] ^= 1
    moved = {**SLICES.metadata, "geom/slice_index": np.arange(5) + 1}
    other = make_extractor("randconv_v1")
    other.sha256 = "0" * 64
    for slices, extractor in (
        (SLICES.take(np.arange(4)), EXTRACTOR),
        (dataclasses.replace(SLICES, images=pixels), EXTRACTOR),
        (dataclasses.replace(SLICES, metadata=moved), EXTRACTOR),
        (SLICES, other),
    ):
        with pytest.raises(AssertionError, match="computed again"):
            real_cache.cached(slices, extractor, forbidden, path)
    assert capsys.readouterr().err == ""


def spoilt(features: np.ndarray) -> np.ndarray:
    features[1, 2] = np.nan
    return features


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, features, key: path.write_bytes(path.read_bytes()[:-300]),
        lambda path, features, key: path.write_bytes(b""),
        lambda path, features, key: path.write_bytes(
            bytes(
                255 - byte if 600 < at < 700 else byte for at, byte in enumerate(path.read_bytes())
            )
        ),
        lambda path, features, key: real_cache.write(path, key, features[:3]),
        lambda path, features, key: real_cache.write(path, key, features.astype(np.float64)),
        lambda path, features, key: real_cache.write(path, key, spoilt(features.copy())),
        lambda path, features, key: np.savez(path, key=key, features=np.array([object()])),
    ],
    ids=["cut", "empty", "flipped bits", "short", "float64", "NaN", "pickle"],
)
def test_a_damaged_cache_is_told_in_one_line_and_made_anew(features, path, damage, capsys):
    damage(path, features, real_cache.cache_key(SLICES, EXTRACTOR))
    made = real_cache.cached(SLICES, EXTRACTOR, SWEEP, path)
    np.testing.assert_array_equal(made, features)
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1 and f"warning: {path} is damaged (" in told
    np.testing.assert_array_equal(real_cache.cached(SLICES, EXTRACTOR, forbidden, path), features)
    assert capsys.readouterr().err == ""


def test_features_that_are_not_finite_are_not_kept(path):
    real_cache.cached(SLICES, EXTRACTOR, _nan_sweep, path)
    assert not path.exists()


def _nan_sweep(rows):
    return np.full((5, EXTRACTOR.dimension), np.nan, np.float32)


_nan_sweep.strategy = SWEEP.strategy
