"""Covariances of features: are they covariances, what is their rank, and their root."""

import numpy as np

SYMMETRY_TOLERANCE = 1e-10
"""Largest |S - S^T| of a covariance, relative to its largest entry."""
NEGATIVE_EIGENVALUE_TOLERANCE = 1e-8
"""Size of a negative eigenvalue that rounding explains, relative to the largest."""
ROOT_TOLERANCE = 1e-8
"""Largest |H H^T v - S v| of a cached root H, relative to the norms of S and v."""
_ROWS = 256
"""Rows that are worked on at a time: a whole matrix does not fit a cache."""
_EPSILON = np.finfo(np.float64).eps


def covariance_root(covariance: np.ndarray) -> np.ndarray:
    """Returns H float64 [d, rank] with H H^T = `covariance`, null directions left out.

    Raises:
        ValueError: The matrix has a negative eigenvalue.
    """
    triangle = triangular_root(covariance)
    if triangle is not None:
        return triangle
    eigenvalues, vectors = np.linalg.eigh(covariance)
    _check_eigenvalues(eigenvalues)
    rank = _count(eigenvalues, len(eigenvalues))
    # eigh sorts upwards; null directions would add a square root of rounding each.
    kept = slice(len(eigenvalues) - rank, None)
    return vectors[:, kept] * np.sqrt(eigenvalues[kept])


def triangular_root(covariance: np.ndarray) -> np.ndarray | None:
    """Returns L with L L^T = `covariance` [d, d], None unless its rank is clearly d.

    It takes a fifth of the time of the eigenvalues, and succeeds only if none of them is negative.
    """
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diag(root) ** 2
    return root if pivots.min() > np.sqrt(_EPSILON) * pivots.max() else None


def congruent(triangle: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Returns L^T S L of a lower triangle L [d, d] and a symmetric S; only the lower half is right.

    Zeros, and the half that symmetry gives, are not computed. That takes a third of the time of two
    products.
    """
    half, product = np.empty_like(covariance), np.zeros_like(covariance)
    for start, block in _blocks(len(covariance)):
        half[:, block] = covariance[:, start:] @ triangle[start:, block]
        product[block, : block.stop] = triangle[start:, block].T @ half[start:, : block.stop]
    return product


def covariance_rank(covariance: np.ndarray) -> int:
    """Returns the numerical rank of a covariance [d, d].

    Raises:
        ValueError: The matrix has a negative eigenvalue.
    """
    if triangular_root(covariance) is not None:
        return len(covariance)
    eigenvalues = np.linalg.eigvalsh(covariance)
    _check_eigenvalues(eigenvalues)
    return _count(eigenvalues, len(eigenvalues))


def factor_rank(factor: np.ndarray) -> int:
    """Returns the rank of a wide factor [N, d] whose rows sum to 0."""
    # The last row is minus the sum of the others, which alone can be independent.
    gram = factor[:-1] @ factor[:-1].T
    if triangular_root(gram) is not None:
        return len(gram)
    return _count(np.linalg.eigvalsh(factor @ factor.T), max(factor.shape))


def checked_statistics(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean [d] and covariance [d, d] as float64.

    Raises:
        ValueError: Shapes disagree, a value is not finite, or the matrix is not symmetric.
    """
    mean = np.asarray(mean, np.float64)
    covariance = np.asarray(covariance, np.float64)
    if mean.ndim != 1 or mean.size == 0 or covariance.shape != (mean.size, mean.size):
        raise ValueError(
            f"Statistics expected shapes [d] and [d, d]. Received: {mean.shape},"
            f" {covariance.shape}."
        )
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(covariance))):
        raise ValueError("Statistics expected finite values. Received: NaN or infinity.")
    asymmetry = max(
        np.abs(covariance[block, start:] - covariance[start:, block].T).max()
        for start, block in _blocks(mean.size)
    )
    # The largest entry of a covariance is on its diagonal.
    if asymmetry > SYMMETRY_TOLERANCE * np.abs(np.diag(covariance)).max():
        raise ValueError(
            f"A covariance expected a symmetric matrix. Received: asymmetry {asymmetry:.3g}; delete"
            " the cached statistics."
        )
    return mean, covariance


def checked_root(root: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Returns a cached root [d, rank] as float64 after comparing it with its covariance.

    One product with a vector takes no time beside the decomposition that the cache saves.

    Raises:
        ValueError: The root is not that of the covariance.
    """
    root = np.asarray(root, np.float64)
    d = len(covariance)
    probe = np.cos(np.arange(d))
    scale = np.trace(covariance) * np.linalg.norm(probe)
    if root.ndim != 2 or len(root) != d or not np.all(np.isfinite(root)):
        error = np.inf
    else:
        error = np.linalg.norm(root @ (root.T @ probe) - covariance @ probe)
    if error > ROOT_TOLERANCE * scale:
        raise ValueError(
            f"A cached root expected H [d, rank] with H H^T = the covariance. Received: shape"
            f" {root.shape}, error {error:.3g}; delete the cached statistics."
        )
    return root


def _blocks(size: int) -> list[tuple[int, slice]]:
    return [(i, slice(i, min(i + _ROWS, size))) for i in range(0, size, _ROWS)]


def _count(eigenvalues: np.ndarray, size: int) -> int:
    return int(np.sum(eigenvalues > max(eigenvalues.max() * size * _EPSILON, 0.0)))


def _check_eigenvalues(eigenvalues: np.ndarray) -> None:
    if eigenvalues.min() < -NEGATIVE_EIGENVALUE_TOLERANCE * max(eigenvalues.max(), 0.0):
        raise ValueError(
            "A covariance expected no negative eigenvalue. Received: eigenvalues from"
            f" {eigenvalues.min():.3g} to {eigenvalues.max():.3g}; delete the cached statistics."
        )
