"""Cycle figures of models that hide their source, and of ones that do not."""

import numpy as np
import pytest

from tfcyclegan.data.slices import Slices
from tfcyclegan.evaluation.figures import self_consistency


@pytest.fixture(scope="module")
def slices():
    stored = np.random.default_rng(0).integers(20000, 40000, (4, 48, 48)).astype(np.uint16)
    metadata = {"id/patient": np.array([b"p", b"p", b"q", b"q"])}
    return {"a": Slices(stored, metadata), "b": Slices(stored[::-1].copy(), metadata)}


def section(slices, forth, back):
    translators = {"a_to_b": forth, "b_to_a": back}
    fakes = {"a": forth(slices["a"].unit()), "b": back(slices["b"].unit())}
    return self_consistency.section(slices, fakes, translators)


def test_the_identity_loses_what_noise_and_eight_bits_take(slices):
    made = section(slices, np.asarray, np.asarray)
    assert made["cycle_ssim_a"]["value"] == pytest.approx(1.0)
    assert made["cycle_psnr_a"]["reason"] == "images are identical"
    # Independent errors add: noise of (3/256)^2 and rounding to 1/255, of variance step^2 / 12.
    expected = -10 * np.log10((3 / 256) ** 2 + (1 / 255) ** 2 / 12)
    assert made["cycle_psnr_b_perturbed"]["value"] == pytest.approx(expected, abs=0.1)


def test_a_hidden_source_is_found_by_the_perturbation(slices):
    """The source hides in a thousandth of the translation: a perfect cycle, and nothing is left."""

    def hide(images):
        return (0.5 + 0.001 * np.asarray(images)).astype(np.float64)

    def reveal(images):
        return np.clip((np.asarray(images) - 0.5) * 1000.0, 0, 1).astype(np.float32)

    made = section(slices, hide, reveal)
    assert made["cycle_mae_a"]["value"] < 1e-3
    assert made["cycle_mae_a_perturbed"]["value"] > 0.3
    assert made["cycle_ssim_a_drop"]["value"] > 0.9


def test_the_identity_is_scored_by_the_generator_into_the_domain(slices):
    made = section(slices, np.asarray, lambda x: np.clip(np.asarray(x) + 0.1, 0, 1))
    assert made["identity_mae_a"]["value"] == pytest.approx(0.1, abs=1e-5)
    assert made["identity_mae_b"]["value"] == 0.0
    assert made["cycle_mae_a"]["value"] == pytest.approx(0.1, abs=1e-5)
    assert made["identity_mae_a"]["n_patients"] == 2 and made["identity_mae_a"]["ci"]


def test_the_noise_is_the_same_each_time(slices):
    images = slices["a"].unit()
    one, other = self_consistency.perturbed(images), self_consistency.perturbed(images)
    np.testing.assert_array_equal(one, other)
    assert one.dtype == np.float32 and not np.array_equal(one, images)
