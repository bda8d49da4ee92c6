"""Distances between the distributions of real and synthetic slices, and what they are worth.

A Frechet distance at a few hundred slices is mostly bias of the estimator: it stands beside its
floor, the distance of real patients from other real patients at the same number of slices. The
kernel distance over pairs of patients has no such bias and is the headline.
"""

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.evaluation.figures.entries import SEED, null, plain
from tfcyclegan.metrics.extractors import Extractor, frechet_name
from tfcyclegan.metrics.extractors.inception import Inception2015
from tfcyclegan.metrics.neighbours import SAMPLES_PER_NEIGHBOUR

SPLITS = 5
"""Draws of two groups of real patients, for the floor."""
GROUPS = 20
"""Largest number of groups of the jackknife; all slices of a patient are in one group."""
JACKKNIFE = "jackknife"
"""Field with the distance without each group in turn, for the error of a difference."""
INCEPTION_SPLITS = 10
NEIGHBOURS = 5
"""k of density and coverage."""
TTUR_MINIMUM, TTUR_ADVICE = 2048, 10_000
"""Slices below which the authors of FID call it unreliable, and those they recommend."""
ONE_PATIENT = "kid_patient compares slices of different patients, and one side has one patient"
FEWEST = 3
"""Patients a side that an interval of `kid_patient` needs; `TWO_PATIENTS` says why."""
TWO_PATIENTS = "two patients: every resample with a distance weighs both alike, so all are equal"
TOO_FEW = "a Frechet distance needs two slices a side"
NO_MEANING = (
    "the Inception Score compares with no real image and asks for ImageNet's classes, none of which"
    " is a brain: for published tables only, it says nothing of quality"
)
NO_INTERVAL = "no bootstrap of a Frechet distance contains its own estimate; see standard_error"


def entries(
    extractor: Extractor,
    real: tuple[np.ndarray, np.ndarray],
    fake: tuple[np.ndarray, np.ndarray],
    floor: dict,
) -> dict[str, dict]:
    """Returns kid_patient, kid, the Frechet distance, its floor and their ratio.

    Args:
        extractor: What made the features.
        real: (features [N, d], patients [N]) of real slices.
        fake: Likewise of synthetic ones; the patients are those of the sources.
        floor: What `floor_of` returned for these real slices.
    """
    name = frechet_name(extractor)
    counts = {"n_real": len(real[0]), "n_fake": len(fake[0])}
    if min(counts.values()) < 2:
        missing = null(TOO_FEW) | counts
        return dict.fromkeys(
            ("kid_patient", "kid", name, "fd_floor", "fd_ratio", "density", "coverage"), missing
        )
    distance = metrics.frechet_distance(real[0], fake[0])
    values = jackknife(real, fake)
    return {
        "kid_patient": _kid_patient(real, fake) | counts,
        "kid": plain(
            metrics.kernel_distance(real[0], fake[0]),
            "slices of a patient are alike, which biases it upwards; kid_patient has an interval",
            **counts,
        ),
        name: plain(
            distance.value,
            NO_INTERVAL,
            **counts,
            standard_error=standard_error(values),
            **{JACKKNIFE: values},
            dimension=distance.dimension,
            rank_deficient=min(counts.values()) <= distance.dimension,
        ),
        "fd_floor": floor,
        "fd_ratio": _ratio(real, fake, floor),
        **_density_coverage(real[0], fake[0]),
    }


def inception_score(extractor: Inception2015, real: np.ndarray, fake: np.ndarray) -> dict:
    """Returns the entry of the Inception Score of features [N, 2048]; `real` is the real slices'.

    Args:
        extractor: The FID network.
        real: Features of real slices.
        fake: Of synthetic ones.
    """
    if min(len(real), len(fake)) < INCEPTION_SPLITS:
        return null(f"needs {INCEPTION_SPLITS} slices a side")
    score, of_real = (
        metrics.inception_score(
            np.asarray(extractor.logits(side)), splits=INCEPTION_SPLITS, seed=SEED
        )
        for side in (fake, real)
    )
    return plain(
        score.mean,
        NO_MEANING,
        deviation=score.deviation,
        splits=score.splits,
        n_fake=len(fake),
        real=of_real.mean,
    )


def _density_coverage(real: np.ndarray, fake: np.ndarray) -> dict[str, dict]:
    needed = NEIGHBOURS * SAMPLES_PER_NEIGHBOUR
    if min(len(real), len(fake)) < needed:
        missing = null(f"needs {needed} slices a side")
        return {"density": missing, "coverage": missing}
    scores = metrics.density_coverage(real, fake, k=NEIGHBOURS)
    return {
        name: plain(getattr(scores, name), "slices are not independent", k=NEIGHBOURS)
        for name in ("density", "coverage")
    }


def _kid_patient(real: tuple, fake: tuple) -> dict:
    patients = [set(real[1]), set(fake[1])]
    if min(map(len, patients)) < 2:
        return null(ONE_PATIENT)
    sums = metrics.PatientKernelSums.of(real[0], list(real[1]), fake[0], list(fake[1]))
    interval = metrics.kernel_distance_patient_interval(sums, seed=SEED)
    if min(map(len, patients)) < FEWEST:
        return plain(interval.estimate, TWO_PATIENTS, n_patients=len(patients[0] | patients[1]))
    return {
        "value": interval.estimate,
        "ci": [interval.low, interval.high],
        "n_patients": len(patients[0] | patients[1]),
        "resamples": interval.resamples,
    }


def floor_of(features: np.ndarray, patients: np.ndarray, n: int) -> dict:
    """Returns the median Frechet distance of two disjoint groups of real patients.

    Args:
        features: [M, d] of real slices of the target domain, train and evaluated split together.
        patients: [M] ids.
        n: Slices that a group should have, those of the evaluation; fewer where there are fewer.
    """
    everyone = sorted(set(patients))
    if len(everyone) < 2:
        return null("a floor needs two real patients")
    draws = [_two_groups(patients, everyone, n, seed) for seed in range(SPLITS)]
    # One size for all draws: the bias of the distance depends on it.
    size = min(len(group) for draw in draws for group in draw)
    if size < 2:
        return null("a floor needs two slices in each half of the real patients")
    values = [
        float(metrics.frechet_distance(features[spread(a, size)], features[spread(b, size)]))
        for a, b in draws
    ]
    reason = f"median of {SPLITS} patient-disjoint splits of real slices"
    return plain(float(np.median(values)), reason, n_slices=size, values=values)


def _two_groups(patients: np.ndarray, everyone: list, n: int, seed: int) -> list[np.ndarray]:
    """Splits patients at random so that both groups have about as many slices, at most n."""
    order = np.random.default_rng([SEED, seed]).permutation(len(everyone))
    groups: list[list[int]] = [[], []]
    for i in order:
        smaller = min(groups, key=len)
        smaller += list(np.flatnonzero(patients == everyone[i]))
    return [spread(np.array(group), n) for group in groups]


def spread(rows: np.ndarray, n: int) -> np.ndarray:
    """Returns n rows evenly spaced over those given, all where there are fewer."""
    if len(rows) <= n:
        return rows
    return rows[np.linspace(0, len(rows) - 1, n).round().astype(int)]


def _ratio(real: tuple, fake: tuple, floor: dict) -> dict:
    """Returns the distance over its floor, both at the floor's number of slices."""
    if not floor["value"]:
        return null("no floor to divide by")
    n = floor["n_slices"]
    rows = [spread(np.arange(len(side[0])), n) for side in (real, fake)]
    value = float(metrics.frechet_distance(real[0][rows[0]], fake[0][rows[1]]))
    return plain(value / floor["value"], NO_INTERVAL, n_slices=min(map(len, rows)))


def jackknife(real: tuple, fake: tuple) -> list[float]:
    """Returns the Frechet distance without each group of patients in turn.

    Patients are dealt into at most `GROUPS` groups, and a group's slices leave both sides together.
    The same patients make the same groups, whatever the features. The list is empty where a side
    would keep fewer than two slices.
    """
    everyone = sorted(set(real[1]) | set(fake[1]))
    groups = min(GROUPS, len(everyone))
    values = []
    for group in range(groups):
        left_out = everyone[group::groups]
        kept = [side[0][~np.isin(side[1], left_out)] for side in (real, fake)]
        if min(map(len, kept)) < 2:
            return []
        values.append(float(metrics.frechet_distance(*kept)))
    return values


def standard_error(values: list[float]) -> float | None:
    """Returns the delete-a-group jackknife error of the distances that `jackknife` returned.

    Reference: Efron and Tibshirani 1993, An Introduction to the Bootstrap, equation 11.5.
    """
    groups = len(values)
    if groups < 2:
        return None
    return float(np.sqrt((groups - 1) * np.var(values)))


def warnings_of(direction: str, scores: dict[str, dict], extractor: Extractor) -> list[str]:
    """Returns what must be read beside the Frechet distance of one direction."""
    score = scores[frechet_name(extractor)]
    if score["value"] is None:
        return []
    n, floor = min(score["n_real"], score["n_fake"]), scores["fd_floor"]["value"]
    beside = "no floor" if floor is None else f"floor {floor:.4g}"
    warnings = []
    if n <= score["dimension"]:
        warnings.append(
            f"{direction}: {n} slices for {score['dimension']} features: the Frechet distance is"
            f" rank deficient and mostly bias ({beside}). Read kid_patient."
        )
    if n < TTUR_MINIMUM:
        warnings.append(
            f"{direction}: {n} slices are below the {TTUR_MINIMUM} that the authors of FID ask for."
        )
    elif n < TTUR_ADVICE:
        warnings.append(
            f"{direction}: {n} slices are below the recommended {TTUR_ADVICE} ({beside})."
        )
    return warnings
