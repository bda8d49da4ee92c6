"""The guard against inversion, with correlations whose sign is known."""

import numpy as np
import pytest
from scipy import stats

from tfcyclegan.data.head import head
from tfcyclegan.data.slices import Slices
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.correlation import correlation, mean_correlation
from tfcyclegan.training.callbacks.contrast import FIRST_EPOCHS, InversionGuard

SIZE = 32
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
HEAD = np.hypot(ROWS, COLUMNS) < 12
VENTRICLE = np.hypot(ROWS, COLUMNS) < 4


def slices(images: np.ndarray) -> Slices:
    names = np.array([b"p"] * len(images))
    metadata = {"id/patient": names, "id/series": names}
    stored = np.rint(images * 65535).astype(np.uint16)
    return Slices(stored, {**metadata, "geom/slice_index": np.arange(len(images))})


def heads(ventricle: float, count: int = 4) -> np.ndarray:
    """Heads with a gradient in their tissue, black outside."""
    tissue = 0.5 + 0.01 * COLUMNS + 0.002 * np.arange(count)[:, np.newaxis, np.newaxis]
    return np.where(VENTRICLE, ventricle, tissue) * HEAD


def guard(b: np.ndarray | None = None, pairs: int = 4) -> InversionGuard:
    a = heads(0.9)
    return InversionGuard(ValidationSlices(slices(a), slices(a if b is None else b), pairs))


def logs(a_to_b: float, b_to_a: float = 1.0) -> dict[str, float]:
    return {"val_source_correlation_a_to_b": a_to_b, "val_source_correlation_b_to_a": b_to_a}


def test_an_inverting_generator_is_told_once(capsys):
    watch = guard()
    for epoch in range(3):
        watch.on_epoch_end(epoch, logs(-0.99, -0.5))
    told = capsys.readouterr().err
    assert told.count("warning: after epoch 1 the translation a_to_b inverts contrast") == 1
    assert told.count("warning") == 1 and "is -0.99, that of real pairs 1.00" in told
    assert "--initializer=normal_0.02" in told


def test_what_is_not_inverted_late_or_not_scored_is_not_told(capsys):
    watch = guard()
    watch.on_epoch_end(0, logs(1.0, -0.09))
    watch.on_epoch_end(FIRST_EPOCHS, logs(-1.0))
    watch.on_epoch_end(0, {})
    assert capsys.readouterr().err == ""


def test_domains_that_are_each_others_inverse_are_no_reason_to_warn(capsys):
    guard(b=1.0 - heads(0.9)).on_epoch_end(0, logs(-0.99))
    assert capsys.readouterr().err == ""


def test_without_pairs_zero_is_the_limit(capsys):
    guard(b=1.0 - heads(0.9), pairs=0).on_epoch_end(0, logs(-0.2))
    told = capsys.readouterr().err
    assert "is -0.20. Runs seldom" in told and "real pairs" not in told


def test_dark_ventricles_belong_to_the_head():
    found = head(heads(0.05)[..., np.newaxis].astype(np.float32))
    assert found.shape == (4, SIZE, SIZE)
    for mask in found:
        np.testing.assert_array_equal(mask, HEAD)


def test_correlation_is_pearsons_inside_the_mask_only():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(2, 3, SIZE, SIZE, 1))
    y += x * HEAD[..., np.newaxis] - 5 * x * ~HEAD[..., np.newaxis]
    expected = [stats.pearsonr(p[HEAD, 0], q[HEAD, 0]).statistic for p, q in zip(x, y, strict=True)]
    made = correlation(x, y, np.stack([HEAD] * 3)).numpy()
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert 0.5 < made.mean() < 0.9


def test_a_constant_image_has_no_correlation_and_leaves_the_mean_alone():
    x = heads(0.9, 2)[..., np.newaxis].astype(np.float32)
    y = np.stack([x[0], np.full_like(x[0], 0.3)])
    made = correlation(x, y, np.stack([HEAD] * 2)).numpy()
    assert made[0] == pytest.approx(1.0, abs=1e-6) and np.isnan(made[1])
    assert mean_correlation(x, y) == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(mean_correlation(x[1:], y[1:]))
