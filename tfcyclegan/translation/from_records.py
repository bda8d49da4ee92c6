"""Records in, synthetic records out: shard by shard, with the splits and ids of the input."""

import collections
import hashlib
import itertools
import json
import pathlib
from collections.abc import Iterator

import tensorflow as tf

import tfcyclegan
from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data import manifest, records, windows
from tfcyclegan.data.manifest import Shard
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import output, shards
from tfcyclegan.ingest.account import card
from tfcyclegan.ingest.account.journal import Journal
from tfcyclegan.ingest.progress import track
from tfcyclegan.translation import synthetic_dataset
from tfcyclegan.translation.model import Model

BATCH = 64


def run(
    source: pathlib.Path,
    directory: pathlib.Path,
    model: Model,
    config: TranslateConfig,
) -> int:
    """Translates every shard of the source's sequence.

    Args:
        source: Directory of a finished conversion.
        directory: The output.
        model: Translates.
        config: Whether slices are audited, marked and left out; --png and --dry_run.

    Raises:
        UserError: The records are damaged, hold nothing to translate (3), or the output stands in
            the way.
    """
    listed_shards = manifest.read(source)
    source_shards = [shard for shard in listed_shards if shard.sequence == model.source]
    if not any(shard.records for shard in source_shards):
        raise UserError(
            f"--input holds no records of {model.source}, which --direction starts from.",
            ExitCode.NOTHING,
        )
    percentiles = manifest.window_percentiles(source)
    if percentiles != model.percentiles:
        raise UserError(
            f"--input holds records of --normalization={windows.name_of(percentiles)}, and the"
            " model was trained on records of another. Convert its studies again with"
            f" --normalization={windows.name_of(model.percentiles)}.",
            ExitCode.USAGE,
        )
    manifest.verify(source, source_shards)
    if config.dry_run:
        print(f"would translate {sum(s.records for s in source_shards)} slices")
        return ExitCode.DONE
    facts = facts_of(source, model, synthetic_dataset.generator_of(model, config))
    identity = {name: facts[name] for name in ("config_hash", "key_id")}
    with output.claimed(directory, identity):
        journal = Journal(directory, manifest.dataset_hash(source_shards))
        written = []
        for shard in track(source_shards, len(source_shards), "translate"):
            home = (shard.split, model.target)
            name = shard.shard.replace(f"-{shard.split}-{model.source}-", "-{}-{}-".format(*home))
            if name not in journal.finished:
                rows = _translated(source / shard.shard, directory, model, config, facts)
                row = shards.write(directory, name, home, rows)
                journal.add(row, [])
            else:
                row, _ = journal.finished[name]
            written.append(row)
        files.write(directory / manifest.MANIFEST, "".join(r.to_json() + "\n" for r in written))
        facts["splits"] = splits_of(written)
        text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
        files.write(directory / manifest.CARD, text)
    seen, translated = (sum(shard.records for shard in rows) for rows in (source_shards, written))
    print(f"records: {seen} seen, {translated} translated")
    return ExitCode.DONE


def facts_of(source: pathlib.Path, model: Model, generator: str) -> dict:
    """Returns the card of the input as that of the output; splits are counted later."""
    facts = json.loads((source / manifest.CARD).read_text())
    facts.pop(card.DEMOGRAPHICS, None)  # as the records lose them
    provenance = f"{facts['config_hash']} {generator} {tfcyclegan.__version__}"
    return {
        **facts,
        "synthetic": True,
        "generator": generator,
        "generator_trained_on_pairs": model.described["trained_on_pairs"],
        "converter_version": tfcyclegan.__version__,
        "config_hash": hashlib.sha256(provenance.encode()).hexdigest()[:32],
    }


def splits_of(written: list[Shard]) -> dict:
    """Returns how many patients and slices each split has; a patient can be in several shards."""
    facts: dict = {}
    for split in sorted({shard.split for shard in written}):
        shards_of_split = [shard for shard in written if shard.split == split]
        slices = collections.Counter()
        for shard in shards_of_split:
            slices[shard.sequence] += shard.records
        patients = {patient for shard in shards_of_split for patient in shard.patients}
        facts[split] = {"patients": len(patients), "slices": dict(slices)}
    return facts


def _translated(
    path: pathlib.Path,
    directory: pathlib.Path,
    model: Model,
    config: TranslateConfig,
    facts: dict,
) -> Iterator[dict]:
    """Yields the new records of a shard, volume by volume."""
    constant = provenance_of(facts)
    for _, volume in itertools.groupby(read(path), key=lambda record: record["id/series"]):
        new_records, report, _ = synthetic_dataset.translated(list(volume), model, config)
        if config.png:
            synthetic_dataset.write_pictures(directory, new_records)
        print(report.line(), flush=True)
        yield from ({**record, **constant} for record in new_records)


def provenance_of(facts: dict) -> dict:
    """Returns the features of synthetic records that say where they are from."""
    return {
        "prov/converter_version": facts["converter_version"],
        "prov/config_hash": facts["config_hash"],
        "prov/synthetic": 1,
        "prov/generator": facts["generator"],
    }


def read(path: pathlib.Path) -> Iterator[dict]:
    """Yields the records of a shard as `record_bytes.serialize` takes them."""
    batches = tf.data.TFRecordDataset(str(path)).batch(BATCH).map(records.parse)
    for batch in batches:
        masks = {}
        for name in records.MASKS:
            mask, present = records.decode_mask(batch[f"mask/{name}"])
            masks[f"mask/{name}"] = [
                m if t else None for m, t in zip(mask.numpy(), present.numpy(), strict=True)
            ]
        columns = {name: value.numpy() for name, value in batch.items()} | masks
        for row in range(len(columns["image/data"])):
            yield {name: _text(column[row]) for name, column in columns.items()}


def _text(value):
    return value.decode("ascii") if isinstance(value, bytes) else value
