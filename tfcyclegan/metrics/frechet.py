"""Fréchet distance between two sets of features; "FID" only with the FID network's features.

d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2, in float64 NumPy. No product
S1 S2 is formed and no matrix root taken, so that no complex number can occur and no multiple of the
identity has to be added, which would change the value.

Reference: Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X; Heusel et al. 2017,
equation 6, arXiv:1706.08500.
"""

import dataclasses

import numpy as np
from absl import logging

from tfcyclegan.metrics.covariance import (
    checked_root,
    checked_statistics,
    congruent,
    covariance_rank,
    covariance_root,
    factor_rank,
    triangular_root,
)
from tfcyclegan.metrics.feature_statistics import checked_features

NEGATIVE_DISTANCE_TOLERANCE = 1e-6
"""Size of a negative distance that rounding explains, relative to tr S1 + tr S2."""


@dataclasses.dataclass(frozen=True)
class FrechetDistance:
    """A Fréchet distance with what is needed to judge it; `float()` gives the value.

    Attributes:
        value: The (squared) distance, >= 0.
        mean_term: |m1 - m2|^2.
        trace_term: tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2.
        dimension: Length d of a feature.
        n_real: Number of real features; None when only their statistics were given.
        n_fake: Likewise.
        rank_real: Numerical rank of the real covariance.
        rank_fake: Likewise.
    """

    value: float
    mean_term: float
    trace_term: float
    dimension: int
    n_real: int | None
    n_fake: int | None
    rank_real: int
    rank_fake: int

    def __float__(self) -> float:
        return self.value

    @property
    def rank_deficient(self) -> bool:
        """Tells whether a covariance is singular: the value is then mostly estimator bias."""
        return min(self.rank_real, self.rank_fake) < self.dimension


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> FrechetDistance:
    """Returns the Fréchet distance between Gaussians fitted to two sets of features.

    Covariances have divisor N - 1, as in TTUR and pytorch-fid (stylegan3 divides by N). The value
    is biased upwards for small N and comparable only at equal N: two samples of 660 from one
    distribution of 2048 dimensions can be 92 apart.

    Args:
        real: [N, d] features, any real dtype, N >= 2.
        fake: [M, d], M >= 2.

    Raises:
        ValueError: The features are not finite, not of rank 2, or of different dimensions.
        ArithmeticError: The distance came out negative by more than rounding explains.
    """
    real, fake = checked_features(real), checked_features(fake)
    _check_dimensions(real.shape[1], fake.shape[1])
    dimension = real.shape[1]
    factor_real, factor_fake = _factor(real), _factor(fake)
    traces = np.sum(factor_real**2) + np.sum(factor_fake**2)
    if min(len(real), len(fake)) > dimension:
        covariances = (factor.T @ factor for factor in (factor_real, factor_fake))
        root_trace, *ranks = _root_trace(*covariances)
    else:
        root_trace, *ranks = _root_trace_of_factors(factor_real, factor_fake)
    return _assembled(
        mean_term=float(np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)),
        traces=float(traces),
        root_trace=root_trace,
        dimension=dimension,
        counts=(len(real), len(fake)),
        ranks=tuple(ranks),
    )


def frechet_distance_from_statistics(
    mean1: np.ndarray,
    covariance1: np.ndarray,
    mean2: np.ndarray,
    covariance2: np.ndarray,
    *,
    n1: int | None = None,
    n2: int | None = None,
    root1: np.ndarray | None = None,
) -> FrechetDistance:
    """Returns the Fréchet distance from means [d] and covariances [d, d].

    For streams too long to keep; with N <= d features at hand `frechet_distance` is faster and
    exact (this route errs by about 1e-8 relative on singular covariances).

    Args:
        mean1: [d] mean of the real features.
        covariance1: [d, d] their sample covariance.
        mean2: [d] mean of the fake features.
        covariance2: [d, d] their sample covariance.
        n1: Number of real features, for the report only.
        n2: Number of fake features, likewise.
        root1: What `covariance_root(covariance1)` returned, kept with the real statistics: a
            covariance that does not change need not be decomposed again.

    Raises:
        ValueError: Shapes disagree, a value is not finite, a matrix is no covariance (not
            symmetric, or with an eigenvalue below zero) or `root1` not its root: a damaged cache.
        ArithmeticError: The distance came out negative by more than rounding explains.
    """
    mean1, covariance1 = checked_statistics(mean1, covariance1)
    mean2, covariance2 = checked_statistics(mean2, covariance2)
    _check_dimensions(mean1.size, mean2.size)
    root1 = None if root1 is None else checked_root(root1, covariance1)
    root_trace, rank1, rank2 = _root_trace(covariance1, covariance2, root1)
    return _assembled(
        mean_term=float(np.sum((mean1 - mean2) ** 2)),
        traces=float(np.trace(covariance1) + np.trace(covariance2)),
        root_trace=root_trace,
        dimension=mean1.size,
        counts=(n1, n2),
        ranks=(rank1, rank2),
    )


def _factor(features: np.ndarray) -> np.ndarray:
    """Returns A [N, d] with A^T A = the sample covariance."""
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def _root_trace_of_factors(first: np.ndarray, second: np.ndarray) -> tuple[float, int, int]:
    """Returns what `_root_trace` does of factors A, B of which one at least has N <= d rows.

    tr (S1^1/2 S2 S1^1/2)^1/2 = |A B^T|_*, the nuclear norm: exact at any rank.
    """
    if len(first) < len(second):
        root_trace, rank2, rank1 = _root_trace_of_factors(second, first)
        return root_trace, rank1, rank2
    rank2 = factor_rank(second)
    if len(first) <= first.shape[1]:
        return _nuclear_norm(first @ second.T), factor_rank(first), rank2
    root = covariance_root(first.T @ first)
    return _nuclear_norm(second @ root), root.shape[1], rank2


def _nuclear_norm(matrix: np.ndarray) -> float:
    if matrix.size == 0:
        return 0.0
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def _root_trace(
    covariance1: np.ndarray, covariance2: np.ndarray, root1: np.ndarray | None = None
) -> tuple[float, int, int]:
    """Returns tr (S1^1/2 S2 S1^1/2)^1/2 and the ranks of S1 and S2.

    With any root S1 = H H^T, these are the roots of the eigenvalues of H^T S2 H, and S1 and S2 may
    change places: a triangular root of either is enough.
    """
    triangle = triangular_root(covariance2)
    if triangle is not None:
        product, rank2 = congruent(triangle, covariance1), len(triangle)
        rank1 = covariance_rank(covariance1) if root1 is None else root1.shape[1]
    else:
        root = covariance_root(covariance1) if root1 is None else root1
        product = root.T @ covariance2 @ root
        rank1, rank2 = root.shape[1], covariance_rank(covariance2)
    eigenvalues = np.linalg.eigvalsh(product, UPLO="L")
    return float(np.sqrt(np.maximum(eigenvalues, 0.0)).sum()), rank1, rank2


def _check_dimensions(first: int, second: int) -> None:
    if first != second:
        raise ValueError(
            f"Both sets expected one feature dimension. Received: {first}, {second}; use one"
            " extractor for both."
        )


def _assembled(
    *,
    mean_term: float,
    traces: float,
    root_trace: float,
    dimension: int,
    counts: tuple[int | None, int | None],
    ranks: tuple[int, int],
) -> FrechetDistance:
    trace_term = traces - 2.0 * root_trace
    value = mean_term + trace_term
    if value < 0:
        if value < -NEGATIVE_DISTANCE_TOLERANCE * traces:
            raise ArithmeticError(
                f"A Fréchet distance expected to be >= 0. Received: {value:.6g} with traces"
                f" {traces:.6g}; check the features for damage."
            )
        logging.info("A Fréchet distance of %.3g, negative by rounding, is reported as 0.", value)
        value = 0.0
    return FrechetDistance(value, mean_term, trace_term, dimension, *counts, *ranks)
