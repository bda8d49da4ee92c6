"""The guard against inversion, with translators whose sign is known."""

import numpy as np
import pytest
from scipy import stats

from tfcyclegan.data import Slices
from tfcyclegan.inversion import FIRST_EPOCHS, InversionGuard, correlation, head
from tfcyclegan.pairing import Pairs

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


def guard(translate, b: np.ndarray | None = None) -> InversionGuard:
    a = heads(0.9)
    pairs = Pairs(slices(a), slices(a if b is None else b), 0, 0)
    return InversionGuard(pairs, {"a_to_b": translate, "b_to_a": translate}, every=1)


def invert(images):
    return 1.0 - images


def test_an_inverting_generator_is_seen_and_told_once(capsys):
    watch, logs = guard(invert), {}
    for epoch in range(3):
        watch.on_epoch_end(epoch, logs)
    for key in InversionGuard.KEYS:
        assert logs[key] == pytest.approx(-1.0, abs=1e-6)
    told = capsys.readouterr().err
    assert told.count("warning: after epoch 1 the translation a_to_b inverts contrast") == 1
    assert told.count("warning") == 1 and "is -1.00, that of real pairs 1.00" in told
    assert "--initializer=normal_0.02" in told


def test_the_identity_and_a_generator_of_one_grey_are_not_inverted(capsys):
    for translate, expected in ((lambda x: x, 1.0), (lambda x: 0 * x + 0.5, np.nan)):
        logs = {}
        guard(translate).on_epoch_end(0, logs)
        for key in InversionGuard.KEYS:
            assert logs[key] == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert capsys.readouterr().err == ""


def test_domains_that_are_each_others_inverse_are_no_reason_to_warn(capsys):
    logs = {}
    guard(invert, b=1.0 - heads(0.9)).on_epoch_end(0, logs)
    assert logs["val_source_correlation_a_to_b"] < -0.99
    assert capsys.readouterr().err == ""


def test_late_inversion_is_logged_and_not_told(capsys):
    logs = {}
    guard(invert).on_epoch_end(FIRST_EPOCHS, logs)
    assert logs["val_source_correlation_a_to_b"] < -0.99 and capsys.readouterr().err == ""


def test_epochs_without_validation_have_no_keys():
    a, logs = slices(heads(0.9)), {}
    watch = InversionGuard(Pairs(a, a, 0, 0), {"a_to_b": invert, "b_to_a": invert}, every=2)
    watch.on_epoch_end(0, logs)
    assert logs == {}


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
    made = correlation(x, y, np.stack([HEAD] * 3))
    assert made == pytest.approx(np.mean(expected), abs=1e-9)
    assert 0.5 < made < 0.9
