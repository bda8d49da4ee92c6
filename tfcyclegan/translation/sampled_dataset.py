"""A synthetic dataset of a model without a source: records of samples, which are of nobody.

As many as real slices that the model could have learnt from, or as asked for. All are in the split
train: they come of training patients, and would be no test. Each has a patient of its own, no
place, no mask and no acquisition.
"""

import hashlib
import json
import math
import pathlib
from collections.abc import Iterator

import numpy as np

from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data import intensity, manifest, slices
from tfcyclegan.data.manifest import Shard, shard_name
from tfcyclegan.data.records import SIZE
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import output, shards
from tfcyclegan.ingest.account.journal import Journal
from tfcyclegan.ingest.progress import track
from tfcyclegan.translation import from_records, synthetic_dataset
from tfcyclegan.translation.model import Model

SPLIT = "train"
SHARD = 512
"""Samples of a shard."""
NOBODY = {
    **dict.fromkeys(("mask/lesion", "mask/brain", "mask/ventricle")),
    **dict.fromkeys(("geom/slice_thickness_mm", "geom/slice_spacing_mm", "mr/field_t"), math.nan),
    **dict.fromkeys(("geom/slice_pos_mm", "geom/frame_pos_mm", "image/scale_lo"), 0.0),
    "geom/slice_frac": 0.5,
    "geom/slice_index": 0,
    "geom/slice_count": 1,
    "image/scale_hi": 1.0,
    "image/content_box": [0, 0, SIZE, SIZE],
    "mr/manufacturer": "other",
    "mr/acq_dim": "unknown",
    "mr/contrast": "unknown",
}
"""What a record says where nothing was scanned."""


def run(
    source: pathlib.Path, directory: pathlib.Path, model: Model, config: TranslateConfig
) -> int:
    """Writes samples as records.

    Args:
        source: Directory of the finished conversion that the samples are to stand beside.
        directory: The output.
        model: Makes the samples.
        config: How many; --png and --dry_run.

    Raises:
        UserError: The records are damaged, hold none of the sequence (3), or the output stands in
            the way.
    """
    real = [
        shard
        for shard in manifest.read(source)
        if (shard.split, shard.sequence) == (SPLIT, model.target) and shard.records
    ]
    if not real:
        raise UserError(
            f"--input holds no training records of {model.target}, beside which the samples are to"
            " stand.",
            ExitCode.NOTHING,
        )
    manifest.verify(source, real)
    count = config.samples or sum(shard.records for shard in real)
    if config.dry_run:
        print(f"would make {count} samples")
        return ExitCode.DONE
    generator = synthetic_dataset.generator_of(model, config)
    facts = from_records.facts_of(source, model, generator) | {"samples": count}
    record = next(from_records.read(source / real[0].shard)) | constant(facts)
    identity = {name: facts[name] for name in ("config_hash", "key_id")}
    with output.claimed(directory, identity):
        written = _shards(directory, model, config, record, count)
        lines = "".join(row.to_json() + "\n" for row in written)
        files.write(directory / manifest.MANIFEST, lines)
        facts["splits"] = from_records.splits_of(written)
        text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
        files.write(directory / manifest.CARD, text)
    print(f"records: {count} samples")
    return ExitCode.DONE


def constant(facts: dict) -> dict:
    """Returns the features that all samples share."""
    return {
        **NOBODY,
        **dict.fromkeys(synthetic_dataset.ACQUISITION, math.nan),
        **from_records.provenance_of(facts),
    }


def _shards(
    directory: pathlib.Path, model: Model, config: TranslateConfig, record: dict, count: int
) -> list[Shard]:
    """Writes the shards that an interrupted command has not finished, and returns all rows."""
    journal = Journal(directory, f"{record['prov/generator']} {count}")
    starts = range(0, count, SHARD)
    rows = []
    for index, start in enumerate(track(starts, len(starts), "sample")):
        name = shard_name(config.name, SPLIT, model.target, index, len(starts))
        if name in journal.finished:
            rows.append(journal.finished[name][0])
            continue
        numbers = np.arange(start, min(start + SHARD, count))
        made = list(samples(model, record, numbers))
        if config.png:
            synthetic_dataset.write_pictures(directory, made)
        rows.append(shards.write(directory, name, (SPLIT, model.target), made))
        journal.add(rows[-1], [])
    return rows


def samples(model: Model, record: dict, numbers: np.ndarray) -> Iterator[dict]:
    """Yields the records of samples.

    Args:
        model: Makes them.
        record: What they share.
        numbers: Of the samples, int64 [N]; a number is one image for ever.
    """
    images = slices.resample(intensity.unit_to_stored(model.forward(numbers)[..., 0]), SIZE)
    ids = ("id/patient", "id/study", "id/series", "id/frame_of_ref", "geom/grid")
    for number, image in zip(numbers, images, strict=True):
        named = {
            name: hashlib.sha256(f"{record['prov/generator']} {number} {name}".encode()).hexdigest()
            for name in ids
        }
        yield {**record, **{name: text[:32] for name, text in named.items()}, "image/data": image}
