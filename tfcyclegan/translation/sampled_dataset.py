"""A synthetic dataset of a model without a source: records of samples, which are of nobody.

As many as real slices that the model could have learnt from, or as asked for. All are in the split
train: they come of training patients, and would be no test. Each has a patient of its own and no
acquisition. One that was painted of a label has its masks and the place of its brain; both
sequences of a label have equal ids, and are a pair.
"""

import dataclasses
import hashlib
import json
import math
import pathlib
from collections.abc import Iterator

import numpy as np

from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data import intensity, labels, manifest, pairing, slices
from tfcyclegan.data.labels import MASKS, Labels
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
IDS = ("id/patient", "id/study", "id/series", "id/frame_of_ref", "geom/grid")
PLACES = ("geom/slice_frac", "geom/out_spacing_mm", "geom/slice_spacing_mm")
"""What a painted image has of the slice whose brain it shows."""
NOBODY = {
    **dict.fromkeys(f"mask/{name}" for name in MASKS),
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
    labelled = Labelled.read(source, model) if model.kind == "labels" else None
    identity = {name: facts[name] for name in ("config_hash", "key_id")}
    with output.claimed(directory, identity):
        written = _shards(directory, model, config, record, count, labelled)
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
    directory: pathlib.Path,
    model: Model,
    config: TranslateConfig,
    record: dict,
    count: int,
    labelled: "Labelled | None",
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
        made = list(samples(model, record, numbers, labelled))
        if config.png:
            synthetic_dataset.write_pictures(directory, made)
        rows.append(shards.write(directory, name, (SPLIT, model.target), made))
        journal.add(rows[-1], [])
    return rows


def samples(
    model: Model, record: dict, numbers: np.ndarray, labelled: "Labelled | None" = None
) -> Iterator[dict]:
    """Yields the records of samples.

    Args:
        model: Makes them.
        record: What they share.
        numbers: Of the samples, int64 [N]; a number is one image for ever.
        labelled: What they are painted of; None of a model that needs nothing but numbers.
    """
    given, places = labelled.of(numbers) if labelled else (numbers, [{}] * len(numbers))
    images = slices.resample(intensity.unit_to_stored(model.forward(given)[..., 0]), SIZE)
    # Samples of two sequences have nothing in common, but what is painted of one label is one head.
    maker = model.digest if labelled else record["prov/generator"]
    for number, image, place in zip(numbers, images, places, strict=True):
        named = {
            name: hashlib.sha256(f"{maker} {number} {name}".encode()).hexdigest()[:32]
            for name in IDS
        }
        series = hashlib.sha256(f"{named['id/series']} {model.target}".encode()).hexdigest()[:32]
        yield {**record, **named, "id/series": series, **place, "image/data": image}


@dataclasses.dataclass(frozen=True)
class Labelled:
    """The masks of training patients, of which virtual patients are made.

    Args:
        labels: bool masks of `SIZE` pixels.
        places: `PLACES` by row of `labels`.
        size: Of the label images.
    """

    labels: Labels
    places: list[dict[str, float]]
    size: int

    @classmethod
    def read(cls, source: pathlib.Path, model: Model) -> "Labelled":
        """Reads the training pairs of records.

        Raises:
            UserError: None has a lesion mask and a brain mask.
        """
        shards = manifest.read(source)
        sides = [
            slices.load_slices(
                str(source), shards, split=SPLIT, sequence=name, image_size=SIZE, masks=MASKS
            )
            for name in (model.described["domain_a"], model.described["domain_b"])
        ]
        kept, found = labels.of_pairs(pairing.pair(*sides))
        if not len(kept):
            raise UserError(
                "--input holds no training pairs with a lesion mask and a brain mask, of which"
                " label images are made.",
                ExitCode.NOTHING,
            )
        columns = [kept.a.metadata[name] for name in PLACES]
        rows = [
            {name: float(column[row]) for name, column in zip(PLACES, columns, strict=True)}
            for row in range(len(kept))
        ]
        return cls(found, rows, model.size)

    def of(self, numbers: np.ndarray) -> tuple[np.ndarray, list[dict]]:
        """Returns label images [N, S, S, 3], and what their records have beside the image."""
        masks, rows = labels.drawn(self.labels, numbers)
        small = [slices.resample_mask(masks[..., k], self.size) for k in range(len(MASKS))]
        of_records = [
            {f"mask/{name}": mask[..., k] for k, name in enumerate(MASKS)} | self.places[row]
            for mask, row in zip(masks, rows, strict=True)
        ]
        return labels.images(np.stack(small, -1)), of_records
