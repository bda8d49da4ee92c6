"""A synthetic dataset: records of the same contract, made from studies or from other records.

Each record keeps the pseudonyms, the place and the masks of the slice that it was made from, says
prov/synthetic=1, and names the generator. What describes an acquisition is not kept, because there
was none.
"""

import dataclasses
import hashlib
import json
import math
import pathlib

import cv2
import numpy as np

from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data import intensity, slices
from tfcyclegan.data.manifest import shard_name
from tfcyclegan.data.records import SIZE
from tfcyclegan.errors import ExitCode
from tfcyclegan.ingest import output, publication
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.plan import Plan, Task
from tfcyclegan.ingest.publication import Job
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.translation import lesion_fate, passes
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.volume_report import Report

ACQUISITION = ("mr/te_ms", "mr/tr_ms", "mr/ti_ms", "mr/flip_deg", "mr/etl")


def generator_of(model: Model, config: TranslateConfig) -> str:
    """Returns the 32 hex digits that stand for model, direction and flags in every record."""
    facts = [model.digest, model.source, model.target, config.in_outputs()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def convert(job: Job, model: Model, config: TranslateConfig) -> int:
    """Converts the volumes of a plan to records, with the network in between.

    Raises:
        UserError: As `publication.carry_out`.
    """
    job = dataclasses.replace(job, planned=retargeted(job.planned, model, job.settings))

    def change(task: Task, done: Converted) -> Converted:
        records, report, kept = translated(done.records, model, config)
        if not records and not report.marked:
            return done
        if config.png:
            write_pictures(job.directory, records)
        print(report.line(), flush=True)
        abstained = [f for f, keeps in zip(done.kept, kept, strict=True) if not keeps]
        return dataclasses.replace(
            done,
            records=records,
            kept=[f for f, keeps in zip(done.kept, kept, strict=True) if keeps],
            refused=done.refused + [(frame, Fault("high_risk")) for frame in abstained],
        )

    done = publication.carry_out(
        job,
        lambda job, todo: publication.write_shards(job, todo, change),
        sheets=0,
        strict=False,
        max_bad=1.0,
        for_release=False,
    )
    return ExitCode.DONE if done else ExitCode.QUARANTINED


def retargeted(planned: Plan, model: Model, settings: Settings) -> Plan:
    """Returns the plan with series and shards of the sequence that is made of them."""
    names = {}
    for name, (split, sequence) in planned.shards.items():
        start = shard_name(settings.name, split, sequence, 0, 1).partition("-00000-")[0]
        target_start = shard_name(settings.name, split, model.target, 0, 1).partition("-00000-")[0]
        names[name] = target_start + name.removeprefix(start)
    tasks = [
        dataclasses.replace(
            task,
            series=dataclasses.replace(task.series, sequence=model.target),
            shard=names[task.shard],
        )
        for task in planned.tasks
    ]
    shards = {names[name]: (split, model.target) for name, (split, _) in planned.shards.items()}
    return dataclasses.replace(planned, tasks=tasks, shards=shards)


def translated(
    found: list[dict], model: Model, config: TranslateConfig
) -> tuple[list[dict], Report, list[bool]]:
    """Translates the records of one volume.

    Args:
        found: Features by name, lowest slice first, without prov/*.
        model: Translates.
        config: Whether slices are audited, marked and left out.

    Returns:
        (records, what is said of the volume, whether each slice was kept).
    """
    review = passes.Review(config.max_risk)
    images = (record["image/data"] for record in found)
    records, kept, synthetics = [], [], []
    for record, translated_slice in zip(
        found, passes.run(images, model, audit=config.audit), strict=True
    ):
        synthetics.append(translated_slice.synthetic)
        kept.append(not (review.add(translated_slice) and config.abstain))
        if kept[-1]:
            records.append(_record(record, translated_slice.synthetic, model))
    key = found[0]["id/series"] if found else ""
    report = Report.of(key, (), len(records), review, config)
    if config.audit and synthetics:
        report = dataclasses.replace(
            report, lesions=lesion_fate.fate(found, np.stack(synthetics)) or ()
        )
    return records, report, kept


def _record(record: dict, synthetic: np.ndarray, model: Model) -> dict:
    pixels = slices.resample(intensity.unit_to_stored(synthetic)[np.newaxis], SIZE)[0]
    y0, x0, height, width = (int(n) for n in record["image/content_box"])
    inside = np.zeros_like(pixels)
    box = np.s_[y0 : y0 + height, x0 : x0 + width]
    inside[box] = pixels[box]
    return {
        **record,
        **dict.fromkeys(ACQUISITION, math.nan),
        "image/data": inside,
        # Nothing was measured, so there is no other scale than unit range.
        "image/scale_lo": 0.0,
        "image/scale_hi": 1.0,
        "series/class": model.target,
    }


def write_pictures(directory: pathlib.Path, records: list[dict]) -> None:
    """Writes each record's image as a 16-bit PNG of pixels and nothing else."""
    folder = directory / output.PICTURES
    folder.mkdir(exist_ok=True)
    for record in records:
        name = f"{record['id/series']}-{int(record['geom/slice_index']):04d}.png"
        _, content = cv2.imencode(".png", record["image/data"])
        files.write(folder / name, content.tobytes())
