"""What a shard holds, from its bytes: framing, checksums, whitelist, and nothing in between."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

from tfcyclegan.data import manifest, records
from tfcyclegan.errors import UserError
from tfcyclegan.privacy import guard

_FRAMING = 16
"""Bytes around a record: length, its checksum, and the payload's (tensorflow/core/lib/io)."""


@dataclasses.dataclass
class Found:
    """What was found in a shard, to be compared with the manifest."""

    bytes: int
    sha256: str
    records: int = 0
    patients: tuple[str, ...] = ()
    problems: list[str] = dataclasses.field(default_factory=list)


def read(path: pathlib.Path, fields: Mapping[str, records.Field]) -> Found:
    """Reads a whole shard; every record is checked against `fields`, every byte belongs to one."""
    facts = Found(path.stat().st_size, manifest.sha256_of(path))
    patients, size = set(), 0
    try:
        for number, payload in enumerate(_payloads(path)):
            facts.records += 1
            size += len(payload) + _FRAMING
            problem, patient = _check(payload, fields)
            patients.add(patient)
            if problem:
                facts.problems.append(f"record {number}: {problem}")
    except OSError:
        facts.problems.append(f"cut off or damaged in the record at byte {size}")
    facts.patients = tuple(sorted(patients - {""}))
    return facts


def _payloads(path: pathlib.Path) -> Iterator[bytes]:
    """Yields the records; TensorFlow compares both checksums of each."""
    import tensorflow as tf

    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.OpError as error:
        raise OSError("damaged") from error


def _check(payload: bytes, fields: Mapping[str, records.Field]) -> tuple[str, str]:
    """Returns what is wrong with a record, or nothing, and its patient if that is a pseudonym."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        example = tf.train.Example.FromString(payload)
    except DecodeError:
        return "no tf.Example", ""
    try:
        guard.check_example(example, fields)
    except UserError as error:
        # The words of guard._leak that say what is wrong.
        return str(error).partition(" publish ")[2].partition(".")[0], ""
    features = example.features.feature
    if len(features["image/data"].bytes_list.value[0]) != 2 * records.SIZE**2:
        return "feature image/data with another length", ""
    # Bytes that the schema does not know survive parsing; a clean encoding has none.
    if example.SerializeToString(deterministic=True) != payload or _has_unknown(example, payload):
        return "bytes outside the whitelisted features", ""
    return "", features["id/patient"].bytes_list.value[0].decode("ascii")


def _has_unknown(example, payload: bytes) -> bool:
    example.DiscardUnknownFields()
    return example.ByteSize() != len(payload)
