"""dataset_card.json: what the records are, how they were made, and what is not promised."""

import collections
import functools
import hashlib
import json
from collections.abc import Sequence

import tfcyclegan
from tfcyclegan.data import records
from tfcyclegan.data.intensity import FOREGROUND
from tfcyclegan.data.manifest import Shard
from tfcyclegan.imaging.dicom import demographics
from tfcyclegan.ingest.account.ledger import Ledger
from tfcyclegan.ingest.plan import FEWEST_SLICES, Task
from tfcyclegan.ingest.settings import Settings

DEMOGRAPHICS = "demographics"
"""Is in the card where the features of records.DEMOGRAPHICS are in the records."""

SMALL_CELL = 5
"""Counts of patients below this are not given, because a rare scanner names its hospital."""

FACE_RISK = (
    "faces are not removed: 96 to 98 % of volunteers were matched with their photographs by a"
    " program that saw a face rebuilt from a head image. Release under a contract that forbids it."
)
"""Printed once before a release (spec/ingestion.md, A7), and kept in the card."""
_DEFACED_RISK = (
    "what --deface_cmd leaves of a face may be enough: 96 to 98 % of volunteers were matched with"
    " their photographs by a program that saw a face rebuilt from a whole head image. Release under"
    " a contract that forbids it."
)

_RISKS = (
    "A face can be reconstructed from head images and matched with photographs.",
    "Text in pixels is searched for by its exact values, edges and repetition; text that is dark,"
    " tiny, or blended into noise on one slice is not found.",
    "Whoever holds the key can recompute a pseudonym from an identifier.",
    "Rounded acquisition parameters of a rare protocol can point to a site.",
    "A rare anatomy or disease can be recognised by those who know it.",
)
_PERSON_RISK = "Age in five-year bins and sex narrow down who a patient can be."


def _deidentification(settings: Settings, ledger: Ledger, for_release: bool) -> dict:
    """Returns the statement that PS3.15, E.1 asks for, codes of PS3.16, CID 7050."""
    refused = ledger.objects()["quarantined"]
    reasons = ("burned_in", "burned_in_suspect", "patient_id_missing")
    return {
        # Basic Application Confidentiality Profile. The options 113101 (pixels cleaned) and 113102
        # (faces removed) are a person's to claim, after looking at the contact sheets.
        "method_codes": ["113100"],
        "not_claimed": {
            "113101": "Clean Pixel Data: text in pixels is refused, not cleaned; may be claimed"
            " once the contact sheets are signed.",
            "113102": "Clean Recognizable Visual Features: a program changed every volume; may be"
            " claimed once the contact sheets are signed."
            if settings.deface_cmd
            else "Clean Recognizable Visual Features: faces are not removed.",
        },
        "method": "No string of the input is written: pixels, bounded numbers, closed names and"
        " keyed pseudonyms only.",
        "whitelist": {"version": records.SCHEMA_VERSION, "features": len(whitelist(settings))},
        "table_edition": "Not used: nothing is kept by PS3.15 table E.1-1, only by the whitelist.",
        "pseudonyms": "HMAC-SHA256 under a secret key, cut to 128 bits",
        "text_guard": "quarantine" if settings.text_guard else "off",
        "missing_patient": settings.missing_patient,
        "missing_patient_risk": _MISSING[settings.missing_patient],
        "objects_refused": {reason: refused.get(reason, 0) for reason in reasons},
        "recognizable_visual_features": _faces(settings),
        "for_release": for_release,
        "face_risk": face_risk(settings) if for_release else "not accepted for release",
        "residual_risks": [*_RISKS, *([_PERSON_RISK] if settings.with_demographics else [])],
    }


def face_risk(settings: Settings) -> str:
    """Returns what a release is warned of."""
    return _DEFACED_RISK if settings.deface_cmd else FACE_RISK


def _faces(settings: Settings) -> str:
    """Returns what was done to faces (spec/ingestion.md, A7)."""
    if settings.deface_cmd:
        return "a program of the operator's changed every volume; look at the contact sheets"
    if settings.brain_only:
        return "slices with more face than brain were dropped; eyes beside the brain may remain"
    return "not removed"


_MISSING = {
    "quarantine": "Images without a patient were refused.",
    "study": "Each study without a patient is a patient of its own: one person may stand in two"
    " splits, and be counted more than once.",
}


_OPTIONS = ("with_demographics", "brain_only", "deface_cmd")


def whitelist(settings: Settings) -> dict[str, records.Field]:
    """Returns the features that records of these settings have."""
    return records.whitelist(demographics=settings.with_demographics)


def config_hash(settings: Settings) -> str:
    """Returns 32 hex digits that change when a flag changes the content of records."""
    facts = {
        "settings": repr(settings),
        "converter_version": tfcyclegan.__version__,
        "schema_version": records.SCHEMA_VERSION,
        "foreground": FOREGROUND,
        "fewest_slices": FEWEST_SLICES,
    }
    # An option that is off does not count, so the digest is that of a version without the option.
    facts |= {name: getattr(settings, name) for name in _OPTIONS if getattr(settings, name)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def provenance(settings: Settings, key_id: str) -> dict:
    """Returns the features that every record shares."""
    return {
        "prov/schema_version": records.SCHEMA_VERSION,
        "prov/converter_version": tfcyclegan.__version__,
        "prov/config_hash": config_hash(settings),
        "prov/key_id": key_id,
        "prov/synthetic": int(bool(settings.generator)),
        "prov/generator": settings.generator or records.NO_GENERATOR,
    }


def card(
    settings: Settings,
    key_id: str,
    ledger: Ledger,
    shards: Sequence[Shard],
    tasks: Sequence[Task],
    warnings: collections.Counter,
    for_release: bool = False,
) -> str:
    """Returns the text of dataset_card.json; it depends on data, flags and key only.

    Args:
        settings: What was asked for.
        key_id: Which key made the pseudonyms.
        ledger: Account of the inputs.
        shards: Rows of the manifest.
        tasks: Volumes that were converted.
        warnings: the parser's warnings by category.
        for_release: Whether somebody accepted the risk of faces for a release.
    """
    facts = {
        "schema_version": records.SCHEMA_VERSION,
        "converter_version": tfcyclegan.__version__,
        "config_hash": config_hash(settings),
        "key_id": key_id,
        "name": settings.name,
        "synthetic": bool(settings.generator),
        "generator": settings.generator,
        **({"generator_trained_on_pairs": settings.generator_pairs} if settings.generator else {}),
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
            "in_plane": "one grid per study, frame of reference and plane",
            "field_of_view": "cropped or padded" if settings.fixed_spacing else "the larger fits",
            "fixed_spacing_mm": settings.fixed_spacing,
            "display": "rows A-P and columns R-L (axial), rows S-I (coronal, sagittal)",
            "through_plane": "as acquired, but for 3D volumes of other planes"
            if settings.reformat_3d
            else "as acquired, never interpolated",
            "min_foreground": settings.min_foreground,
            "slices": list(settings.slices),
        },
        "deidentification": _deidentification(settings, ledger, for_release),
    }
    if settings.with_demographics:
        facts[DEMOGRAPHICS] = _demographics(tasks)
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


def _demographics(tasks: Sequence[Task]) -> dict:
    """Counts patients by each feature that --with_demographics adds."""

    def value(task: Task, name: str) -> str:
        return demographics.of_volume(task.series.volume.frames)[name]

    return {
        name: _by_patient(tasks, functools.partial(value, name=name))
        for name in records.DEMOGRAPHICS
    }


def _by_patient(tasks: Sequence[Task], name) -> dict:
    patients = collections.defaultdict(set)
    for task in tasks:
        patients[name(task)].add(task.series.volume.first.patient)
    return {
        value: len(members) if len(members) >= SMALL_CELL else f"<{SMALL_CELL}"
        for value, members in sorted(patients.items())
    }
