"""Running the converter inside a test, and reading what it wrote."""

import collections
import csv
import io
import json
import pathlib

import tensorflow as tf

from tfcyclegan.config import IngestConfig
from tfcyclegan.data import manifest, records
from tfcyclegan.ingest import run

KEY = bytes(range(32))


def key_file(folder: pathlib.Path, key: bytes = KEY) -> pathlib.Path:
    """Writes a key with the mode that is asked for."""
    path = folder / "key"
    path.write_bytes(key)
    path.chmod(0o600)
    return path


def planted_words(path: pathlib.Path) -> set[str]:
    """Returns the planted strings of a JSON file, and the parts of those that are names."""
    words: set[str] = set()

    def collect(value):
        if isinstance(value, dict):
            for inner in value.values():
                collect(inner)
        else:
            words.update({value, *value.split("^")})

    collect(json.loads(path.read_text()))
    return words


def flags_of(folder: pathlib.Path) -> tuple[str, ...]:
    """Flags of a conversion to folder/out by one worker, with a key that is made if need be."""
    if not (folder / "key").exists():
        key_file(folder)
    return (
        f"--output={folder / 'out'}",
        f"--key_file={folder / 'key'}",
        "--splits=train:1",
        "--workers=1",
        "--max_bad=1",
        # Most fixtures are drawn by a formula without noise, which is what the guard looks for.
        "--text_guard=off",
    )


def config(folder: pathlib.Path, source, *flags: str) -> IngestConfig:
    """Returns the configuration of a conversion of `source` to folder/out."""
    return IngestConfig.parse(f"--input={source}", *flags_of(folder), *flags)


def convert(folder: pathlib.Path, source, *flags: str) -> tuple[int, "Result"]:
    """Converts, and returns the exit code and what was written."""
    return run.run(config(folder, source, *flags)), Result(folder / "out")


class Result:
    """A finished directory."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory

    @property
    def card(self) -> dict:
        return json.loads((self.directory / manifest.CARD).read_text())

    @property
    def series(self) -> list[dict]:
        return list(csv.DictReader(io.StringIO((self.directory / "series.csv").read_text())))

    def lines(self, name: str) -> list[dict]:
        return [json.loads(line) for line in (self.directory / name).read_text().splitlines()]

    @property
    def reasons(self) -> dict:
        """Counts of objects by reason; converted ones under an empty one."""
        return dict(collections.Counter(row["reason"] for row in self.lines("audit.jsonl")))

    def records(self, sequence: str | None = None) -> list[dict]:
        """All records, sorted by series and slice."""
        found = []
        for shard in manifest.read(self.directory):
            if sequence in (None, shard.sequence):
                dataset = tf.data.TFRecordDataset(str(self.directory / shard.shard)).batch(64)
                for batch in dataset.map(records.parse).as_numpy_iterator():
                    size = len(batch["image/data"])
                    found += [{k: v[i] for k, v in batch.items()} for i in range(size)]
        return sorted(found, key=lambda r: (r["id/series"], r["geom/slice_index"]))

    def files(self) -> dict[str, bytes]:
        """Every file's bytes by relative name."""
        return {
            str(path.relative_to(self.directory)): path.read_bytes()
            for path in sorted(self.directory.rglob("*"))
            if path.is_file()
        }


def scanner(record: dict):
    """Returns a record's image in scanner units, from its own scale."""
    lo, hi = float(record["image/scale_lo"]), float(record["image/scale_hi"])
    return lo + record["image/data"] / 65535 * (hi - lo)
