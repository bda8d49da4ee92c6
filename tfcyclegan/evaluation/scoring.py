"""One direction scored: the model and every baseline, by every figure."""

import dataclasses
from collections.abc import Hashable

import numpy as np

from tfcyclegan import metrics
from tfcyclegan.data import batches
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.evaluation.cases import NO_SOURCE, Case
from tfcyclegan.evaluation.figures import contrast, lesions, paired, paper
from tfcyclegan.evaluation.figures.baselines import BASELINES
from tfcyclegan.evaluation.figures.distribution import Distribution, patients_of
from tfcyclegan.evaluation.figures.entries import entry, null, plain
from tfcyclegan.models import translators

MODEL = "model"
SLICES = "slices are not independent; psnr_volume has an interval"
ONE_SLICE = "a volume of one slice has no neighbour"


@dataclasses.dataclass(frozen=True)
class Scored:
    """What is known of one direction.

    Attributes:
        case: What was scored.
        fake: The model's translations of all source slices, or its samples; float32 [N, H, W, 1],
            unit range.
        distribution: Real features, and what compares others with them.
        features: Of all translations by the model, and of copy_source, with their patients.
        images: Method to images [P, H, W, 1] of the pairs; empty where there are none.
        entries: Method to name to entry, as in metrics.json.
        slices: Method to name to float64 [P].
        patients: Method to name to value by patient.
    """

    case: Case
    fake: np.ndarray
    distribution: Distribution
    features: dict[str, tuple[np.ndarray, np.ndarray]]
    images: dict[str, np.ndarray]
    entries: dict[str, dict[str, dict]]
    slices: dict[str, dict[str, np.ndarray]]
    patients: dict[str, dict[str, dict[Hashable, float]]]


def score(
    case: Case,
    fake: np.ndarray,
    distribution: Distribution,
    owners: np.ndarray | None = None,
    *,
    with_paper: bool,
) -> Scored:
    """Scores the model and every baseline in one direction.

    Args:
        case: What is scored.
        fake: Translations of all source slices, or samples.
        distribution: Real features, and what compares others with them.
        owners: The patient of each sample; None of translations, which are their sources'.
        with_paper: Add the figures of `paper`.
    """
    everyone = patients_of(case.source)
    whole = {MODEL: fake, "copy_source": case.source.unit()}
    scored = Scored(case, fake, distribution, {}, {}, {}, {}, {})
    of_model = everyone if owners is None else owners
    for method, images in whole.items():
        whose = of_model if method == MODEL else everyone
        scored.features[method] = distribution.of(images, whose)
        scored.entries[method] = distribution.entries(scored.features[method])
    if case.paired is None:
        _unpaired(scored, whole)
        return scored
    real = _figures(case.paired, case.paired.direction.target)
    for method in (MODEL, *BASELINES):
        images = fake[case.rows] if method == MODEL else BASELINES[method](case.paired)
        if images is None:
            scored.entries[method] = dict.fromkeys(paired.NAMES, null(ONE_SLICE))
            continue
        scored.images[method] = images
        if method not in whole:
            patients = case.paired.direction.patients
            scored.entries[method] = distribution.entries(distribution.of(images, patients))
        _paired(scored, method, real)
        if with_paper:
            scored.entries[method] |= paper.entries(case.paired.direction, images)
    return scored


def _unpaired(made: Scored, whole: dict[str, np.ndarray]) -> None:
    """Adds what remains without pairs, and an explicit null for the rest."""
    source, patients = made.case.source.unit(), patients_of(made.case.source)
    for method, images in whole.items():
        missing = (*paired.NAMES, *contrast.FLUID, *contrast.VENTRICLE, *lesions.NAMES)
        values = {}
        if method != MODEL or made.case.reason != NO_SOURCE:
            values = contrast.unpaired_values(source, images, patients)
        made.entries[method] = (
            {name: null(made.case.reason) for name in missing}
            | {
                name: entry(by_patient, len(source)) | {"real": None}
                for name, by_patient in values.items()
            }
            | made.entries[method]
        )
        made.patients[method] = values


def _figures(case, images: np.ndarray) -> dict[str, dict[Hashable, float]]:
    return (
        paired.blur(case, images)
        | contrast.patient_values(case, images)
        | lesions.patient_values(case, images)
    )


def _paired(made: Scored, method: str, real: dict[str, dict[Hashable, float]]) -> None:
    case, images = made.case.paired, made.images[method]
    slices = paired.slice_scores(case, images)
    per_patient = paired.patient_scores(case, images, slices)
    entries = {}
    for name, values in per_patient.items():
        n_slices = np.isfinite(slices[name]).sum() if name in slices else len(case)
        entries[name] = entry(values, int(n_slices))
    mean = metrics.psnr_slice_mean(slices["psnr"])
    entries["psnr_slice_mean"] = plain(
        mean.mean, SLICES, n_slices=mean.n_averaged, n_identical=mean.n_identical
    )
    figures = _figures(case, images)
    for name, values in figures.items():
        reason, n_slices = _about(case, name)
        entries[name] = entry(values, n_slices, reason)
        entries[name]["real"] = entry(real[name], n_slices)["value"]
    del entries["psnr"]  # psnr_slice_mean says the same with its counts
    made.entries[method] = entries | made.entries[method]
    made.slices[method], made.patients[method] = slices, per_patient | figures


def _about(case, name: str) -> tuple[str, int]:
    """Returns why a figure may be missing, and how many slices are behind it."""
    if name in contrast.VENTRICLE:
        return contrast.NO_VENTRICLES, len(case)
    if name not in lesions.NAMES:
        return contrast.NO_FLUID, len(case)
    n_known = int(case.lesion_known.sum())
    return (lesions.NO_LESIONS if n_known else lesions.NO_MASKS), n_known


def generate(sampler: translators.Sampler, case_name: str, given: np.ndarray) -> np.ndarray:
    """Returns the samples of numbers or labels, float32 [N, H, W, 1], checked as `translate`."""
    return _finite(sampler(given), case_name)


def translate(translator: translators.Translator, case_name: str, images: np.ndarray) -> np.ndarray:
    """Returns the translations of float32 [N, H, W, 1], checked.

    Raises:
        UserError: The model answers another size, or something that is not finite.
    """
    try:
        translations = batches.in_batches(translator, images)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"The model does not take images of {images.shape[1]} x {images.shape[2]} pixels,"
            f" {case_name}. Export it again with this version.",
            ExitCode.DAMAGED,
        ) from error
    if translations.shape != images.shape:
        raise UserError(
            f"A translation has the size of its source, {images.shape[1]} x {images.shape[2]}."
            f" Received: {' x '.join(map(str, translations.shape[1:3]))} from the model,"
            f" {case_name}.",
            ExitCode.DAMAGED,
        )
    return _finite(translations, case_name)


def _finite(images: np.ndarray, case_name: str) -> np.ndarray:
    bad = int((~np.isfinite(images)).any(axis=(1, 2, 3)).sum())
    if bad:
        raise UserError(
            f"The model answered NaN or infinity to {bad} of {len(images)} slices,"
            f" {case_name}: it has diverged, or its weights are damaged. Evaluate another"
            " checkpoint.",
            ExitCode.FAILED,
        )
    return images
