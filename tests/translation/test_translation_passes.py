"""Risk and flicker of networks that are formulas, against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.translation import passes
from tfcyclegan.translation.model import Model

SIZE = 256


def model_of(forward, back, size=SIZE) -> Model:
    return Model("a_to_b", "t2", "flair", size, "0" * 32, forward, back)


def stored(unit: np.ndarray) -> np.ndarray:
    return np.rint(unit * 65535).astype(np.uint16)


def ramp(height: float = 1.0) -> np.ndarray:
    return np.tile(np.linspace(0, height, SIZE, dtype=np.float32), (SIZE, 1))


def test_the_way_back_shows_what_was_lost():
    model = model_of(lambda x: 0.5 * x, lambda x: x)
    (made,) = passes.run([stored(ramp())], model, audit=True)
    np.testing.assert_allclose(made.synthetic, 0.5 * ramp(), atol=1e-5)
    np.testing.assert_allclose(made.risk_map, 0.5 * ramp(), atol=1e-5)
    head = ramp()[ramp() > 0.5]  # brighter than the mean
    assert made.risk == pytest.approx(0.5 * np.percentile(head, 99), abs=1e-4)


def test_a_mirrored_head_shows_what_the_network_cannot_decide():
    left_to_right = tf.constant(ramp()[None, ..., None])
    model = model_of(lambda x: 0.25 * x + 0.5 * left_to_right, lambda y: 0 * y)
    source = np.full((SIZE, SIZE), 0.2, np.float32)
    (made,) = passes.run([stored(source)], model, audit=True)
    disagreement = 0.5 * np.abs(ramp() - ramp()[:, ::-1])
    np.testing.assert_allclose(made.risk_map, np.maximum(disagreement, 0.2), atol=1e-4)


def test_without_audit_there_is_no_risk_and_the_network_runs_once():
    calls = []
    model = model_of(lambda x: calls.append(len(x)) or x, lambda x: calls.append("back") or x)
    made = list(passes.run([stored(ramp())] * 10, model, audit=False))
    assert calls == [8, 8] and len(made) == 10
    assert made[9].risk_map is None and made[9].risk == 0.0


def test_of_a_slice_of_air_all_counts():
    """What a network draws there is not to be trusted."""
    found = passes.risk_of(np.arange(16.0).reshape(4, 4), np.zeros((4, 4)))
    assert found == np.percentile(np.arange(16.0), 99)


def test_flicker_is_the_mean_difference_of_neighbours():
    flicker = passes.Flicker()
    for level in (0.0, 0.1, 0.3, 0.2):
        source = np.full((4, 4), level, np.float32)
        flicker.add(passes.Made(source, 2 * source))
    assert flicker.source == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert flicker.synthetic == pytest.approx(2 * (0.1 + 0.2 + 0.1) / 3)


def test_a_single_slice_does_not_flicker():
    flicker = passes.Flicker()
    flicker.add(passes.Made(np.ones((2, 2)), np.ones((2, 2))))
    assert flicker.source == flicker.synthetic == 0.0


def test_what_is_above_the_limit_is_marked():
    review = passes.Review(0.25)
    image = np.zeros((2, 2))
    above = [review.add(passes.Made(image, image, image, risk)) for risk in (0.1, 0.3, 0.25, 0.9)]
    assert above == [False, True, False, True] and review.marked == [1, 3]


def test_a_volume_goes_through_at_the_size_of_the_model():
    seen = []
    model = model_of(lambda x: seen.append(x.shape[1:3]) or x, lambda x: x, size=64)
    (made,) = passes.run([stored(ramp())], model, audit=False)
    assert seen == [(64, 64)] and made.synthetic.shape == (64, 64)
    np.testing.assert_allclose(made.source, ramp().reshape(64, 4, 64, 4).mean((1, 3)), atol=1e-4)
