"""Kernel distance (KID): unbiased squared MMD with the kernel (x.y / d + 1)^3, in float64.

Reference: Binkowski et al. 2018, section 4, arXiv:1801.01401; Gretton et al. 2012, equation 3.
"""

import dataclasses
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from tfcyclegan.metrics.bootstrap import Interval, percentile_interval, resampling_weights
from tfcyclegan.metrics.feature_statistics import checked_features

_ROWS = 1024
"""Kernel rows held at a time: 5000 features need 40 MB instead of 200 MB."""


def kernel_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the kernel distance over all pairs of distinct features (a U-statistic).

    Unbiased for independent images at any N, and therefore negative now and then: it is never cut
    off at 0. torch-fidelity and clean-fid average over random subsets of at most 1000 images
    instead, which has the same expectation and more noise.

    Args:
        real: [N, d] features, any real dtype, N >= 2.
        fake: [M, d], M >= 2.

    Raises:
        ValueError: The features are not finite, not of rank 2, or of different dimensions.
    """
    real, fake = _checked_sets(real, fake)
    return _within(real) + _within(fake) - 2.0 * _sum(real, fake) / (len(real) * len(fake))


@dataclasses.dataclass(frozen=True)
class PatientKernelSums:
    """Sums of the kernel over pairs of patients, from which any reweighting of patients follows.

    Attributes:
        patients_real: P ids, in the order of the rows.
        patients_fake: Q ids.
        counts_real: float64 [P] features of each patient.
        counts_fake: float64 [Q].
        real: float64 [P, P] sums of k over the features of patient p and patient q.
        fake: float64 [Q, Q].
        cross: float64 [P, Q].
    """

    patients_real: tuple[Hashable, ...]
    patients_fake: tuple[Hashable, ...]
    counts_real: np.ndarray
    counts_fake: np.ndarray
    real: np.ndarray
    fake: np.ndarray
    cross: np.ndarray

    @classmethod
    def of(
        cls,
        real: np.ndarray,
        real_patients: Sequence[Hashable],
        fake: np.ndarray,
        fake_patients: Sequence[Hashable],
    ) -> "PatientKernelSums":
        """Returns the sums; arguments and errors as `kernel_distance_patient`."""
        real, fake = _checked_sets(real, fake)
        ids_real, members_real = _members(real_patients, len(real), "real")
        ids_fake, members_fake = _members(fake_patients, len(fake), "fake")
        return cls(
            ids_real,
            ids_fake,
            members_real.sum(axis=1),
            members_fake.sum(axis=1),
            _patient_sums(real, members_real, real, members_real),
            _patient_sums(fake, members_fake, fake, members_fake),
            _patient_sums(real, members_real, fake, members_fake),
        )

    def distances(self, weights_real: np.ndarray, weights_fake: np.ndarray) -> np.ndarray:
        """Returns the kernel distance for each row of patient weights.

        Args:
            weights_real: [B, P] weights >= 0.
            weights_fake: [B, Q].

        Returns:
            float64 [B]; NaN where fewer than two patients of a side have weight.
        """
        w, v = np.asarray(weights_real, np.float64), np.asarray(weights_fake, np.float64)
        cross = np.einsum("bp,bp->b", w, v @ self.cross.T)
        with np.errstate(invalid="ignore"):
            cross = cross / ((w @ self.counts_real) * (v @ self.counts_fake))
            return (
                _between(w, self.real, self.counts_real)
                + _between(v, self.fake, self.counts_fake)
                - 2.0 * cross
            )


def kernel_distance_patient(
    real: np.ndarray,
    real_patients: Sequence[Hashable],
    fake: np.ndarray,
    fake_patients: Sequence[Hashable],
) -> float:
    """Returns the kernel distance over pairs of features of different patients.

    Slices of one patient are alike, which inflates the within-set terms of `kernel_distance` (19 %
    at 5 slices per patient). With one slice per patient the two are equal.

    Args:
        real: [N, d] features, any real dtype.
        real_patients: N patient ids, two or more different ones.
        fake: [M, d].
        fake_patients: M ids of the patients whose slices were translated.

    Raises:
        ValueError: As `kernel_distance`; the ids are too few or too many, or all equal.
    """
    sums = PatientKernelSums.of(real, real_patients, fake, fake_patients)
    ones = np.ones((1, len(sums.patients_real))), np.ones((1, len(sums.patients_fake)))
    return float(sums.distances(*ones)[0])


def kernel_distance_patient_interval(
    sums: PatientKernelSums, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Returns `kernel_distance_patient` with its bootstrap interval over patients.

    Sides that share patients are resampled together, one draw for both. Samples that draw fewer
    than two patients on a side have no distance and are left out; `resamples` says how many remain.

    Raises:
        ValueError: An option is out of range, or no sample remains.
    """
    return _interval(sums, sums.distances, seed, resamples, level)


def kernel_distance_patient_difference(
    sums: PatientKernelSums,
    other: PatientKernelSums,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Returns `kernel_distance_patient` of one model less another's, and the interval of that.

    Each resample draws the same patients for both, so that what makes patients hard for both falls
    out. Everything else as `kernel_distance_patient_interval`.

    Args:
        sums: Of the one model.
        other: Of the other, over features of the same real slices and the same patients' sources.

    Raises:
        ValueError: The two are not of the same patients in one order, an option is out of range,
            or no sample remains.
    """
    if (sums.patients_real, sums.patients_fake) != (other.patients_real, other.patients_fake):
        raise ValueError("A paired difference expected the same patients. Received: others.")

    def difference(w: np.ndarray, v: np.ndarray) -> np.ndarray:
        return sums.distances(w, v) - other.distances(w, v)

    return _interval(sums, difference, seed, resamples, level)


def kernel_distance_patient_draws(
    sums: PatientKernelSums, *, seed: int, resamples: int = 2000
) -> np.ndarray:
    """Returns `kernel_distance_patient`, and after it that of every resample of the patients.

    Models over the same patients, in one order, are given the same draws by the same seed.

    Returns:
        float64 [1 + resamples]; NaN for a draw of fewer than two patients on a side.
    """
    w, v = (
        np.concatenate([np.ones((1, drawn.shape[1])), drawn])
        for drawn in _draws(sums, seed, resamples)
    )
    return sums.distances(w, v)


def _draws(sums: PatientKernelSums, seed: int, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights of real patients [B, P] and of fake ones [B, Q]."""
    real, fake = sums.patients_real, sums.patients_fake
    if set(real) & set(fake):
        everyone = list(dict.fromkeys(real + fake))
        draws = resampling_weights(len(everyone), seed=seed, resamples=resamples)
        column = {patient: i for i, patient in enumerate(everyone)}
        return tuple(draws[:, [column[patient] for patient in side]] for side in (real, fake))
    # Two seeds: sides without a common patient are drawn independently.
    return (
        resampling_weights(len(real), seed=seed, resamples=resamples),
        resampling_weights(len(fake), seed=seed + 1, resamples=resamples),
    )


def _interval(
    sums: PatientKernelSums,
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    seed: int,
    resamples: int,
    level: float,
) -> Interval:
    real, fake = sums.patients_real, sums.patients_fake
    n_patients = len(set(real) | set(fake))
    samples = statistic(*_draws(sums, seed, resamples))
    samples = samples[np.isfinite(samples)]
    if not samples.size:
        raise ValueError("An interval expected samples of two or more patients. Received: none.")
    estimate = float(statistic(np.ones((1, len(real))), np.ones((1, len(fake))))[0])
    low, high = percentile_interval(samples, level)
    return Interval(estimate, low, high, level, n_patients, samples.size)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def _sum(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(_kernel(x[i : i + _ROWS], y).sum() for i in range(0, len(x), _ROWS)))


def _within(x: np.ndarray) -> float:
    """Returns the mean of k over pairs of distinct rows."""
    diagonal = ((np.einsum("nd,nd->n", x, x) / x.shape[1] + 1.0) ** 3).sum()
    return float((_sum(x, x) - diagonal) / (len(x) * (len(x) - 1)))


def _patient_sums(
    x: np.ndarray, members_x: np.ndarray, y: np.ndarray, members_y: np.ndarray
) -> np.ndarray:
    blocks = range(0, len(x), _ROWS)
    return sum(
        members_x[:, i : i + _ROWS] @ (_kernel(x[i : i + _ROWS], y) @ members_y.T) for i in blocks
    )


def _between(weights: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the weighted mean of k over pairs of different patients, for each row of weights."""
    sums = sums - np.diag(np.diag(sums))
    pairs = np.outer(counts, counts)
    np.fill_diagonal(pairs, 0.0)
    total = np.einsum("bp,bp->b", weights, weights @ sums)
    return total / np.einsum("bp,bp->b", weights, weights @ pairs)


def _members(
    patients: Sequence[Hashable], n: int, side: str
) -> tuple[tuple[Hashable, ...], np.ndarray]:
    """Returns the distinct ids and the float64 [P, N] matrix that is 1 where p owns feature n."""
    patients = list(patients)
    ids = tuple(dict.fromkeys(patients))
    if len(patients) != n or len(ids) < 2:
        raise ValueError(
            f"The {side} features expected one patient id each, of two or more patients. Received:"
            f" {len(patients)} ids of {len(ids)} patients for {n} features."
        )
    row = {patient: p for p, patient in enumerate(ids)}
    members = np.zeros((len(ids), n))
    members[[row[patient] for patient in patients], np.arange(n)] = 1.0
    return ids, members


def _checked_sets(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    real, fake = checked_features(real), checked_features(fake)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"Both sets expected one feature dimension. Received: {real.shape[1]},"
            f" {fake.shape[1]}; use one extractor for both."
        )
    return real, fake
