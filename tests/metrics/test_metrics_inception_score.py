"""The Inception Score against a closed form and its bounds."""

import numpy as np
import pytest

from tfcyclegan.metrics import inception_score

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.25, 0.5, 0.25]])


def test_golden():
    # exp of the mean of sum p log(p / mean p), by hand to the last digit.
    score = inception_score(np.log(P), splits=1, seed=0)
    assert score.mean == pytest.approx(1.2467337680783763, abs=1e-12)
    assert (score.deviation, score.splits) == (0, 1)
    # The bits, or the divergence the other way round, are other numbers.
    reverse = np.exp(np.mean(np.sum(P.mean(axis=0) * np.log(P.mean(axis=0) / P), axis=1)))
    assert abs(score.mean - reverse) > 0.01


def test_bounds():
    sure = 1000 * np.eye(5)
    assert inception_score(sure, splits=1, seed=0).mean == pytest.approx(5, rel=1e-12)
    assert inception_score(np.zeros((20, 5)), seed=0) == (pytest.approx(1), 0, 10)


def test_logits_have_no_zero_and_the_seed_decides_the_splits():
    logits = np.random.default_rng(0).normal(size=(40, 7))
    score = inception_score(logits, seed=1)
    shifted = inception_score(logits + 5, seed=1)
    assert shifted.mean == pytest.approx(score.mean, rel=1e-12)
    assert inception_score(logits, seed=2).mean != score.mean
    with pytest.raises(ValueError, match="N >= 10. Received"):
        inception_score(logits[:9], seed=0)
    with pytest.raises(ValueError, match="splits expected a positive number. Received: 0"):
        inception_score(logits, splits=0, seed=0)
