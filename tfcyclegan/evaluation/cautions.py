"""What must be read beside the figures of a report."""

from tfcyclegan.data import windows
from tfcyclegan.evaluation.brain import RULE
from tfcyclegan.evaluation.cases import FOREGROUND_RULE
from tfcyclegan.evaluation.figures import distances
from tfcyclegan.evaluation.scoring import MODEL, Scored
from tfcyclegan.metrics.extractors import Extractor
from tfcyclegan.models.translators import MADE_OF

FEW_PATIENTS = 10
"""With fewer, percentile intervals are too narrow."""
INSTEAD = {
    RULE: "the brain is estimated from real T2 and FLAIR",
    FOREGROUND_RULE: "_brain figures are over the foreground, scalp and skull included",
}


def of(report: dict, scored: list[Scored], extractor: Extractor) -> list[str]:
    """Returns one sentence per reason to doubt a figure of the report."""
    return [
        *_about_data(report),
        *_about_masks(scored),
        *_about_inception_score(scored),
        *(
            text
            for result in scored
            for text in distances.warnings_of(result.case.name, result.entries[MODEL], extractor)
        ),
    ]


def _about_data(report: dict):
    model = report["model"]
    if of := MADE_OF.get(model.get("kind")):
        yield (
            f"The model makes images of {of}. It has no source, so that paired figures are null,"
            " and its images are of nobody."
        )
    elif not report["n_pairs"]:
        cycles = " Cycle and identity figures are self-consistency, not fidelity."
        yield (
            "There are no registered pairs: paired figures are null."
            f"{cycles if model['cycled'] else ''}"
        )
    if report["n_patients"] == 1:
        yield "One patient: there is no interval, and nothing to generalise from."
    elif report["n_patients"] < FEW_PATIENTS:
        yield (
            f"{report['n_patients']} patients: percentile intervals of so few are too narrow; read"
            " the patients one by one."
        )
    near = sum(entry["slices"] or 0 for entry in report["leakage"]["near_duplicates"].values())
    if near:
        yield (
            f"{near} slices are near duplicates of slices of another split; look whether patients"
            " stand under two ids."
        )
    if model["drop_lesions"] != "none":
        sequence = model[f"domain_{model['drop_lesions']}"]
        yield f"Stress test, --drop_lesions: the model was trained on {sequence} without lesions."
    if report["split"] == model["train_split"]:
        yield "The evaluated split is the one that the model was trained on."
    if report["window_percentiles"] != model["window_percentiles"]:
        yield (
            "These records have another --normalization than those that the model was trained on:"
            " tissue is not as bright as it learnt. Convert the studies with"
            f" --normalization={windows.name_of(model['window_percentiles'])}."
        )
    if model["trained_on"] not in (None, report["dataset_hash"]):
        yield (
            "The model was trained on another dataset: whether its patients are in this one cannot"
            " be checked."
        )


def _about_masks(scored: list[Scored]):
    for result in scored:
        paired = result.case.paired
        if paired is not None and paired.brain_rule in INSTEAD:
            instead = INSTEAD[paired.brain_rule]
            yield f"{result.case.name}: not every slice has a brain mask, so that {instead}."
        if result.case.left_out:
            yield (
                f"{result.case.name}: {result.case.left_out} pairs left out, the brain mask of"
                " their target volume is empty."
            )


def _about_inception_score(scored: list[Scored]):
    if any("inception_score" in result.entries[MODEL] for result in scored):
        yield f"{distances.NO_MEANING[0].upper()}{distances.NO_MEANING[1:]}."
