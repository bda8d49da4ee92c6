"""dataset_card.json: what the records are, how they were made, and what is not promised."""

import collections
import hashlib
import json
from collections.abc import Sequence

import tfcyclegan
from tfcyclegan import records
from tfcyclegan.ingest.features import FOREGROUND
from tfcyclegan.ingest.ledger import Ledger
from tfcyclegan.ingest.plan import FEWEST_SLICES, Settings, Task
from tfcyclegan.manifest import Shard

SMALL_CELL = 5
"""Counts of patients below this are not told apart, because a rare scanner names its hospital."""

_DEIDENTIFICATION = {
    # PS3.16, CID 7050: Basic Application Confidentiality Profile. No option is claimed.
    "method_codes": ["113100"],
    "method": "No string of the input is written: pixels, bounded numbers, closed names and keyed"
    " pseudonyms only.",
    "recognizable_visual_features": "not removed",
    "residual_risks": [
        "A face can be reconstructed from head images and matched with photographs.",
        "Text that was burned into pixels is not searched for by this version.",
        "Whoever holds the key can recompute a pseudonym from an identifier.",
    ],
}


def config_hash(settings: Settings) -> str:
    """Returns 32 hex digits that change when a flag changes the content of records."""
    facts = {
        "settings": repr(settings),
        "converter_version": tfcyclegan.__version__,
        "schema_version": records.SCHEMA_VERSION,
        "foreground": FOREGROUND,
        "fewest_slices": FEWEST_SLICES,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def provenance(settings: Settings, key_id: str) -> dict:
    """Returns the features that every record shares."""
    return {
        "prov/schema_version": records.SCHEMA_VERSION,
        "prov/converter_version": tfcyclegan.__version__,
        "prov/config_hash": config_hash(settings),
        "prov/key_id": key_id,
    }


def card(
    settings: Settings,
    key_id: str,
    ledger: Ledger,
    shards: Sequence[Shard],
    tasks: Sequence[Task],
    warnings: collections.Counter,
) -> str:
    """Returns the text of dataset_card.json; it depends on data, flags and key only.

    Args:
        settings: What was asked for.
        key_id: Which key made the pseudonyms.
        ledger: Account of the inputs.
        shards: Rows of the manifest.
        tasks: Volumes that were converted.
        warnings: the parser's warnings by category.
    """
    facts = {
        "schema_version": records.SCHEMA_VERSION,
        "converter_version": tfcyclegan.__version__,
        "config_hash": config_hash(settings),
        "key_id": key_id,
        "name": settings.name,
        "splits": _splits(shards, tasks),
        "planes": _by_patient(tasks, lambda task: task.plane),
        "manufacturers": _by_patient(tasks, lambda task: task.series.volume.physics.manufacturer),
        "objects": ledger.objects(),
        "series": ledger.series(),
        "parser_warnings": dict(sorted(warnings.items())),
        "intensity": {
            "window_percentiles": list(settings.percentiles),
            "scope": "volume, without padding",
            "stored": "uint16; 0 is image/scale_lo, 65535 is image/scale_hi",
            "monochrome1": settings.monochrome1,
        },
        "geometry": {
            "size": records.SIZE,
            "in_plane": "one grid per study, frame of reference and plane; "
            + ("cropped or padded" if settings.fixed_spacing else "the larger field of view fits"),
            "fixed_spacing_mm": settings.fixed_spacing,
            "display": "rows A-P and columns R-L (axial), rows S-I (coronal, sagittal)",
            "through_plane": "as acquired, never interpolated"
            + (", but for 3D volumes of other planes" if settings.reformat_3d else ""),
            "min_foreground": settings.min_foreground,
            "slices": list(settings.slices),
        },
        "deidentification": _DEIDENTIFICATION,
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _splits(shards: Sequence[Shard], tasks: Sequence[Task]) -> dict:
    facts: dict = {}
    for split in sorted({shard.split for shard in shards}):
        members = [shard for shard in shards if shard.split == split]
        volumes = collections.Counter(t.series.sequence for t in tasks if t.split == split)
        slices: collections.Counter = collections.Counter()
        for shard in members:
            slices[shard.sequence] += shard.records
        facts[split] = {
            "patients": len({patient for shard in members for patient in shard.patients}),
            "volumes": dict(sorted(volumes.items())),
            "slices": dict(sorted(slices.items())),
        }
    return facts


def _by_patient(tasks: Sequence[Task], name) -> dict:
    patients = collections.defaultdict(set)
    for task in tasks:
        patients[name(task)].add(task.series.volume.first.patient)
    return {
        value: len(members) if len(members) >= SMALL_CELL else f"<{SMALL_CELL}"
        for value, members in sorted(patients.items())
    }
