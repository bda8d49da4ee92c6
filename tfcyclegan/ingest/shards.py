"""Writing shards: whole or not at all, and read back before they count.

TensorFlow is imported in here only, so that worker processes never load it.
"""

import errno
import pathlib
from collections.abc import Iterable, Mapping

from tfcyclegan import files
from tfcyclegan.data import manifest, record_bytes, records
from tfcyclegan.data.manifest import Shard
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.privacy import guard, hygiene


def write(
    directory: pathlib.Path,
    name: str,
    home: tuple[str, str],
    features: Iterable[dict],
    fields: Mapping[str, records.Field] = records.FIELDS,
) -> Shard:
    """Writes one shard and returns its row of the manifest.

    Args:
        directory: Output directory.
        name: File name.
        home: (split, sequence).
        features: Complete records, in their final order.
        fields: The whitelist, of records.whitelist.

    Raises:
        UserError: The disk is full (6), the guard refuses a record (7), or what was read back is
            not what was written (6).
    """
    tf = _tensorflow()
    path = directory / name
    patients: set[str] = set()
    count = 0
    with files.replacing(path) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for record in features:
                    writer.write(record_bytes.serialize(record))
                    patients.add(record["id/patient"])
                    count += 1
        except tf.errors.OpError as error:
            full = isinstance(error, tf.errors.ResourceExhaustedError)
            code = errno.ENOSPC if full else errno.EIO
            raise OSError(code, "TensorFlow could not write the shard.") from error
        _read_back(temporary, count, fields)
    split, sequence = home
    return Shard(
        shard=name,
        split=split,
        sequence=sequence,
        records=count,
        bytes=path.stat().st_size,
        sha256=manifest.sha256_of(path),
        patients=tuple(sorted(patients)),
    )


def _read_back(path: pathlib.Path, expected: int, fields: Mapping[str, records.Field]) -> None:
    """Reads every record again: checksums, number, and the privacy guard on the final bytes."""
    tf = _tensorflow()
    count = 0
    try:
        # An old reader, because a data pipeline takes four times as long for each record.
        with hygiene.silent_stderr():
            payloads = tf.compat.v1.io.tf_record_iterator(str(path))
        for serialized in payloads:
            guard.check_example(tf.train.Example.FromString(serialized), fields)
            count += 1
    except tf.errors.OpError as error:
        raise OSError("TensorFlow could not read the shard back.") from error
    if count != expected:
        raise UserError(
            f"A shard holds {count} records where {expected} were written. Check the disk of"
            " --output and run the command again.",
            ExitCode.NOT_WRITABLE,
        )


def _tensorflow():
    """Imports TensorFlow without the native messages that it greets every process with."""
    with hygiene.silent_stderr():
        import tensorflow as tf

    return tf
