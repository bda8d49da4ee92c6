"""Inception Score: how sure a classifier is of each image, and how varied its answers are."""

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from tfcyclegan.metrics.feature_statistics import checked_features


class InceptionScore(NamedTuple):
    """Mean and standard deviation over the splits."""

    mean: float
    deviation: float
    splits: int


def inception_score(logits: np.ndarray, *, splits: int = 10, seed: int) -> InceptionScore:
    """Returns exp E KL(p(y|x) || p(y)), from 1 to the number of classes.

    It knows no real images, and ImageNet has no class for an MR slice: a high score says nothing of
    brains. Here for comparison with published tables only; equals torch-fidelity 0.4 with the
    same `isc_splits` and `rng_seed`.

    Args:
        logits: [N, classes] of the generated images, N >= splits.
        splits: Parts that are scored apart.
        seed: Seed of the shuffle before the split.

    Raises:
        ValueError: The logits are not finite, not of rank 2, or fewer than `splits`.

    Reference: Salimans et al. 2016, section 4, arXiv:1606.03498.
    """
    logits = checked_features(logits, at_least=max(splits, 1))
    if splits < 1:
        raise ValueError(f"splits expected a positive number. Received: {splits}.")
    n = len(logits)
    # The legacy generator, because it is the one that torch-fidelity shuffles with.
    logarithms = log_softmax(logits[np.random.RandomState(seed).permutation(n)], axis=1)
    scores = []
    for i in range(splits):
        part = logarithms[i * n // splits : (i + 1) * n // splits]
        p = np.exp(part)
        # log of the mean probability by the shifted sum: a class of probability 0 stays finite.
        marginal = np.logaddexp.reduce(part, axis=0) - np.log(len(part))
        scores.append(np.exp((p * (part - marginal)).sum(axis=1).mean()))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), splits)
