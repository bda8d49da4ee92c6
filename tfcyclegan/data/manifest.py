"""Shard names, counts and checksums: written by ingestion, checked before training.

A TFRecord file that was cut at a record boundary reads without an error, so the number of records
and the SHA-256 of each shard stand in `manifest.jsonl`, and nothing is trained on shards that
disagree with it.
"""

import dataclasses
import hashlib
import json
import pathlib

from tfcyclegan.data import records, windows
from tfcyclegan.errors import ExitCode, UserError

MANIFEST = "manifest.jsonl"
CARD = "dataset_card.json"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One line of manifest.jsonl.

    `patients` are the pseudonyms (32 hex digits) of the patients in the shard, sorted; after `deal`
    only those of the row's split, and only their records are to be read.
    """

    shard: str
    split: str
    sequence: str
    records: int
    bytes: int
    sha256: str
    patients: tuple[str, ...]

    def to_json(self) -> str:
        row = {**dataclasses.asdict(self), "n_patients": len(self.patients)}
        return json.dumps(row, sort_keys=True)


def shard_name(name: str, split: str, sequence: str, index: int, count: int) -> str:
    """Returns `{name}-{split}-{sequence}-{index:05d}-of-{count:05d}.tfrecord`."""
    return f"{name}-{split}-{sequence}-{index:05d}-of-{count:05d}.tfrecord"


def sha256_of(path: pathlib.Path) -> str:
    """Returns the hex SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read(directory: pathlib.Path) -> list[Shard]:
    """Reads manifest.jsonl and checks it against the schema and against patient leakage.

    Raises:
        UserError: Directory, manifest or card is missing, was written under another schema, or a
            patient stands in two splits.
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise UserError(
            f"--data_dir must be a directory of converted records. Received: {directory}, which"
            " does not exist. Run tools/dicom_to_tfrecord.py first.",
            ExitCode.MISSING,
        )
    for name in (CARD, MANIFEST):
        if not (directory / name).is_file():
            raise UserError(
                f"--data_dir must hold {name}, which ends a finished conversion. {directory} has"
                " none: convert into it, or let the interrupted conversion finish.",
                ExitCode.MISSING,
            )
    _check_schema(directory)
    shards = _parse_rows(directory / MANIFEST)
    check_disjoint(shards)
    return shards


def window_percentiles(directory: pathlib.Path) -> windows.Percentiles:
    """Returns the percentiles of the volumes' windows by the card; the default if it has none."""
    facts = json.loads((pathlib.Path(directory) / CARD).read_text())
    return windows.percentiles_in(facts.get("intensity", {}))


def _check_schema(directory: pathlib.Path) -> None:
    try:
        version = json.loads((directory / CARD).read_text()).get("schema_version")
    except (ValueError, AttributeError):
        version = None
    if version != records.SCHEMA_VERSION:
        raise UserError(
            f"{directory / CARD}: expected schema_version {records.SCHEMA_VERSION}. Received:"
            f" {version}. Convert the studies again with this version of the converter.",
            ExitCode.DAMAGED,
        )


def _parse_rows(path: pathlib.Path) -> list[Shard]:
    shards = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            row.pop("n_patients", None)
            shards.append(Shard(**{**row, "patients": tuple(row["patients"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{path}, line {number} is not a manifest row. Convert the studies again.",
                ExitCode.DAMAGED,
            ) from error
    return shards


def check_disjoint(shards: list[Shard]) -> None:
    """Raises UserError if a patient stands in more than one split."""
    home: dict[str, Shard] = {}
    for shard in shards:
        for patient in shard.patients:
            earlier = home.setdefault(patient, shard)
            if earlier.split != shard.split:
                raise UserError(
                    f"A patient belongs to one split. Patient {patient} stands in {earlier.shard}"
                    f" and in {shard.shard}: results on {shard.split} would be leaked. Convert"
                    " again, all studies with one key.",
                    ExitCode.DAMAGED,
                )


def deal(shards: list[Shard], folds: int, fold: int) -> list[Shard]:
    """Returns rows in which every `folds`-th patient is in split test and all others in train.

    The splits that the records were converted into do not count. Patients are dealt in the order of
    their pseudonyms, so that each is in the test of exactly one fold. A shard with patients of both
    has two rows.

    Args:
        shards: Rows of the manifest.
        folds: Number of folds; 0 leaves the rows as they are.
        fold: Which of them is tested, from 0.

    Raises:
        UserError: There are fewer patients than folds.
    """
    if not folds:
        return shards
    patients = sorted({patient for shard in shards for patient in shard.patients})
    if len(patients) < folds:
        raise UserError(
            f"There can be at most as many folds as patients, {len(patients)}. Received: {folds}."
        )
    tested = set(patients[fold::folds])
    dealt = []
    for shard in shards:
        for split, members in (
            ("train", set(shard.patients) - tested),
            ("test", set(shard.patients) & tested),
        ):
            if members:
                row = dataclasses.replace(shard, split=split, patients=tuple(sorted(members)))
                dealt.append(row)
    return dealt


def verify(directory: pathlib.Path, shards: list[Shard]) -> None:
    """Checks that every shard is complete, by size and then by SHA-256.

    Raises:
        UserError: Names the first shard that is missing, cut or changed.
    """
    for shard in shards:
        path = pathlib.Path(directory) / shard.shard
        if not path.is_file():
            raise UserError(
                f"Shard {path} is in the manifest but missing. Convert again.", ExitCode.MISSING
            )
        size = path.stat().st_size
        if size != shard.bytes:
            raise UserError(
                f"Shard {path} is damaged: expected {shard.bytes} bytes. Received: {size}."
                " Restore it or convert again.",
                ExitCode.DAMAGED,
            )
        if sha256_of(path) != shard.sha256:
            raise UserError(
                f"Shard {path} is damaged: its SHA-256 is not the manifest's. Restore it or convert"
                " again.",
                ExitCode.DAMAGED,
            )


def dataset_hash(shards: list[Shard]) -> str:
    """Returns 16 hex digits that change when any record of any shard changes."""
    rows = sorted({f"{shard.shard} {shard.sha256}" for shard in shards})
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def split_hash(shards: list[Shard]) -> str:
    """Returns 16 hex digits that change when any patient moves to another split."""
    rows = sorted({f"{patient} {shard.split}" for shard in shards for patient in shard.patients})
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]
