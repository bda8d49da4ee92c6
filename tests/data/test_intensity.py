"""The three pixel units at hand-computed values."""

import numpy as np
import pytest

from tfcyclegan.data import intensity, windows


def test_window_is_the_half_percentiles_of_the_valid_voxels():
    volume = np.arange(1001, dtype=np.int16).reshape(7, 11, 13)
    assert windows.volume_window(volume) == (5.0, 995.0)
    padded = np.concatenate([volume, np.full_like(volume, -2000)])
    valid = padded > -2000
    assert windows.volume_window(padded, valid) == (5.0, 995.0)
    assert windows.volume_window(padded) != (5.0, 995.0)


def head_in_air(tissue: int, fat: int) -> np.ndarray:
    """Air, tissue of a hundred values, a rim of fat: int16 [10, 30, 30]."""
    volume = np.zeros((10, 30, 30), np.int16)
    volume[:, 5:25, 5:25] = fat
    volume[:, 7:23, 7:23] = tissue + np.arange(2560).reshape(10, 16, 16) % 101
    return volume


@pytest.mark.parametrize(("kind", "rescale"), [(np.int16, None), (np.float32, None), (None, 0.5)])
def test_the_heads_median_is_a_third_however_bright_fat_is(kind, rescale):
    percentiles = windows.WINDOWS["head-median"]
    for tissue, fat in ((300, 2000), (300, 100), (500, 600)):
        voxels = head_in_air(tissue, fat)
        scanner = voxels * (rescale or 1.0) + (7.0 if rescale else 0.0)
        expected = np.median(scanner[scanner > scanner.mean()])
        given = voxels if kind is None else scanner.astype(kind)
        lo, hi = windows.volume_window(
            list(given), percentiles=percentiles, rescale=(rescale, 7.0) if rescale else None
        )
        assert lo == np.percentile(scanner, 0.5)
        assert (expected - lo) / (hi - lo) == pytest.approx(1 / 3, abs=1e-6)
    # Most of this head is tissue, so that its median is one of the tissue's values.
    assert 500 <= np.median(voxels[voxels > voxels.mean()]) <= 600


def test_a_window_knows_its_flag():
    assert [windows.name_of(list(known)) for known in windows.WINDOWS.values()] == [
        "p0.5-99.5",
        "p1-99",
        "minmax",
        "head-median",
    ]
    assert windows.name_of((2.0, 98.0)) == "none of this version"


def test_padding_is_no_head():
    voxels = head_in_air(300, 2000)
    padded = np.concatenate([voxels, np.full_like(voxels, -2000)])
    percentiles = windows.WINDOWS["head-median"]
    window = windows.volume_window(padded, padded > -2000, percentiles)
    assert window == windows.volume_window(voxels, percentiles=percentiles)


@pytest.mark.parametrize("percentiles", windows.WINDOWS.values())
@pytest.mark.parametrize("volume", [np.full((2, 3, 3), 7.0), np.full((2, 3, 3), np.nan)])
def test_volumes_without_contrast_have_no_window(volume, percentiles):
    with pytest.raises(ValueError, match="A volume needs"):
        windows.volume_window(volume, percentiles=percentiles)


def test_scanner_to_unit_clips_and_inverts_inside():
    made = intensity.scanner_to_unit(np.array([-10, 100, 200, 300, 900]), (100.0, 300.0))
    np.testing.assert_allclose(made, [0, 0, 0.5, 1, 1])
    assert made.dtype == np.float32
    np.testing.assert_allclose(
        intensity.unit_to_scanner(made[1:4], (100.0, 300.0)), [100, 200, 300]
    )


def test_stored_values_keep_sixteen_bits():
    stored = intensity.unit_to_stored(np.array([0.0, 0.5, 1.0, 1.5, -1.0]))
    np.testing.assert_array_equal(stored, [0, 32768, 65535, 65535, 0])
    every = np.arange(65536, dtype=np.uint16)
    unit = intensity.stored_to_unit(every.astype(np.float32))
    np.testing.assert_array_equal(intensity.unit_to_stored(unit), every)


def test_model_range_is_that_of_tanh_and_zero_is_black_at_minus_one():
    np.testing.assert_array_equal(intensity.unit_to_model(np.array([0, 0.5, 1])), [-1, 0, 1])
    np.testing.assert_array_equal(intensity.model_to_unit(np.array([-1, 0, 1])), [0, 0.5, 1])


@pytest.mark.parametrize("dtype", ["f4", "u1", "u2", "i2", "u4", "f8"])
@pytest.mark.parametrize("size", [1, 2, 7, 999, 300_001])
def test_percentile_is_numpys(dtype, size):
    rng = np.random.default_rng(size)
    smooth = rng.gamma(2.0, 150.0, size)
    # Half of a head's voxels are air of one value, and a bound must not split them wrongly.
    for voxels in (smooth, smooth * (rng.random(size) > 0.5), np.full(size, 7.0), np.sort(smooth)):
        voxels = (voxels - (700 if dtype == "i2" else 0)).astype(dtype)
        for percent in (0.0, 0.5, 1.0, 50.0, 99.0, 99.5, 100.0):
            expected = [float(np.percentile(voxels, (percent,))[0])]
            assert windows.percentiles_of([voxels], [percent]) == expected
            parts = np.array_split(voxels, 3)
            assert windows.percentiles_of(parts, [percent]) == expected


def test_percentile_of_signed_and_unsigned_slices_together():
    parts = [np.array([-5, 0, 9], np.int16), np.array([0, 40_000], np.uint16)]
    assert windows.percentiles_of(parts, [0.0, 50.0, 100.0]) == [-5.0, 0.0, 40_000.0]


def test_percentile_of_stored_values_is_that_of_the_rescaled_ones():
    stored = np.random.default_rng(0).integers(-2000, 2000, 30_000).astype(np.int16)
    slope, intercept = 1 / 3, -17.1
    scanner = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    for percent in (0.5, 50.0, 99.5):
        expected = [float(np.percentile(scanner, (percent,))[0])]
        assert windows.percentiles_of([stored], [percent], (slope, intercept)) == expected
    assert windows.volume_window([stored], rescale=(1e35, 0.0))
    with pytest.raises(ValueError, match="finite"):
        windows.volume_window([stored], rescale=(1e36, 0.0))
