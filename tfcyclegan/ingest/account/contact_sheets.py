"""Contact sheets of finished records for a person to approve (PS3.15, E.3.1)."""

import collections
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from tfcyclegan import files
from tfcyclegan.data import records
from tfcyclegan.data.manifest import Shard
from tfcyclegan.ingest import output

COLUMNS = 8
"""Slices per sequence, evenly spread over the volume."""
TILE = 128
"""Side of a slice in the sheet, in pixels."""


def write(directory: pathlib.Path, shards: Sequence[Shard], count: int) -> int:
    """Writes one PNG per study: a row per series, T2 above FLAIR, named by pseudonym only.

    Args:
        directory: Output directory; sheets go to its folder qa.
        shards: Rows of the manifest.
        count: Number of studies; those with the lowest pseudonyms.

    Returns:
        How many sheets were written.
    """
    series = _collect(directory, shards, _studies(directory, shards)[:count])
    sheets = collections.defaultdict(list)
    for (study, _, key), slices in sorted(series.items(), key=_row_order):
        del key
        sheets[study].append(_row([image for _, image in sorted(slices, key=lambda s: s[0])]))
    folder = directory / output.SHEETS
    folder.mkdir(exist_ok=True)
    for old_sheet in folder.glob("*.png"):
        old_sheet.unlink()
    for study, rows in sheets.items():
        # OpenCV writes no text chunks into a PNG.
        _, png = cv2.imencode(".png", np.concatenate(rows))
        files.write(folder / f"{study}.png", png.tobytes())
    return len(sheets)


def _row_order(item: tuple) -> tuple:
    (study, sequence, key), _ = item
    return study, records.SEQUENCES.index(sequence), key


def _read(directory: pathlib.Path, shards: Sequence[Shard], names: tuple[str, ...]):
    import tensorflow as tf

    for shard in shards:
        dataset = tf.data.TFRecordDataset(str(directory / shard.shard)).batch(64)
        for batch in dataset.map(lambda s: records.parse(s, names)).as_numpy_iterator():
            for values in zip(*(batch[name] for name in names), strict=True):
                yield shard, values


def _studies(directory: pathlib.Path, shards: Sequence[Shard]) -> list[bytes]:
    return sorted({study for _, (study,) in _read(directory, shards, ("id/study",))})


def _collect(directory: pathlib.Path, shards: Sequence[Shard], studies: list[bytes]) -> dict:
    names = ("id/study", "id/series", "geom/slice_index", "image/data")
    series = collections.defaultdict(list)
    for shard, (study, key, index, image) in _read(directory, shards, names):
        if study in studies:
            thumbnail = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA)
            row = (study.decode("ascii"), shard.sequence, key)
            series[row].append((int(index), (thumbnail >> 8).astype(np.uint8)))
    return series


def _row(images: list[np.ndarray]) -> np.ndarray:
    chosen = np.linspace(0, len(images) - 1, COLUMNS).round().astype(int)
    return np.concatenate([images[i] for i in chosen], axis=1)
