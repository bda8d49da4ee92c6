"""Checks a finished output from its bytes alone: what is in it, and that nothing else is.

A finding names a file that a conversion writes, a feature, column, chunk or offset, and never a
value; a file that no conversion writes is not even named.
"""

import csv
import json
import pathlib
from collections.abc import Iterable, Iterator

from tfcyclegan.config import VerifyConfig
from tfcyclegan.data import manifest, records
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import output
from tfcyclegan.ingest.account import card
from tfcyclegan.ingest.verification import known_strings, png, search, shard_check


def run(config: VerifyConfig) -> int:
    """Prints what is wrong with an output, and returns 0 if nothing is, else 7.

    Raises:
        UserError: The directory or the list of strings cannot be read.
    """
    directory = pathlib.Path(config.data_dir)
    if not directory.is_dir():
        raise UserError(
            "--data_dir must be the --output of a finished conversion.", ExitCode.MISSING
        )
    needles = search.Needles(_strings(config.canaries))
    if config.dry_run:
        return ExitCode.DONE
    findings = list(check(directory, needles))
    for finding in findings:
        print(finding)
    count = sum(path.is_file() for path in directory.rglob("*"))
    print(
        f"{count} file(s) checked, {needles.count} string(s) looked for, {needles.left_out} too"
        f" short to look for; {len(findings)} finding(s)"
    )
    return ExitCode.REFUSED if findings else ExitCode.DONE


def check(directory: pathlib.Path, needles: search.Needles) -> Iterator[str]:
    """Yields every finding of a finished output."""
    shards = {}
    foreign = 0
    fields = _whitelist(directory / manifest.CARD)
    if not (directory / manifest.CARD).is_file():
        yield f"{manifest.CARD} is missing: the conversion has not finished"
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_dir() and not path.is_symlink():
            if name not in (output.SHEETS, output.PICTURES):
                foreign += 1
                yield f"foreign directory {foreign} (not named here)"
            continue
        if path.is_symlink() or not known_strings.is_output(name):
            foreign += 1
            name = f"foreign file {foreign} (not named here)"
            yield name
        if needles.offsets(path.relative_to(directory).as_posix().encode()):
            yield f"{name}: a given string in the name"
        if not path.is_file():
            continue
        content = path.read_bytes()
        for offset in needles.offsets(content):
            yield f"{name}: a given string at byte {offset}"
        if name.startswith("foreign"):
            continue
        if path.suffix == ".tfrecord":
            shards[name] = shard_check.read(path, fields)
            yield from (f"{name}: {problem}" for problem in shards[name].problems)
        else:
            yield from (f"{name}: {problem}" for problem in _problems(path, content))
    yield from _manifest(directory, shards)


def _whitelist(path: pathlib.Path) -> dict[str, records.Field]:
    """Returns the features that the card allows; without a readable one, no optional ones."""
    try:
        facts = json.loads(path.read_text("ascii"))
    except (OSError, ValueError):
        facts = {}
    stated = isinstance(facts, dict) and card.DEMOGRAPHICS in facts
    return records.whitelist(demographics=stated)


def _problems(path: pathlib.Path, content: bytes) -> Iterable[str]:
    if path.suffix == ".png":
        return png.problems(content)
    try:
        text = content.decode("ascii")
        if path.suffix == ".csv":
            return list(_cells(text))
        rows = text.splitlines() if path.suffix == ".jsonl" else [text]
        return [
            f"row {number}: {problem}"
            for number, row in enumerate(rows, 1)
            for problem in _values(json.loads(row), "")
        ]
    except ValueError:
        return ["not what its name says"]


def _cells(text: str) -> Iterator[str]:
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        for column, cell in enumerate(row, 1):
            if not (known_strings.is_known(cell) or known_strings.is_number(cell)):
                yield f"row {number}, column {column} is outside the closed vocabulary"


def _values(value, key: str) -> Iterator[str]:
    """Yields what is wrong with a JSON value; a key is named only if it is one of ours."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not known_strings.is_known(name):
                yield "a key is outside the closed vocabulary"
            yield from _values(inner, name if known_strings.is_known(name) else "")
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, key)
    elif isinstance(value, str) and not _fits(key, value):
        yield f"{key or 'a value'} is outside the closed vocabulary"


def _fits(key: str, text: str) -> bool:
    if key == "name":
        return text.isascii() and text.isalnum() and len(text) <= 20
    return known_strings.is_known(text) or (key == "shard" and known_strings.is_output(text))


def _manifest(directory: pathlib.Path, shards: dict) -> Iterator[str]:
    """Compares every row of the manifest with the shard it names, and the other way round."""
    try:
        rows = manifest.read(directory)
    except UserError:
        yield f"{manifest.MANIFEST}: missing, damaged, of another schema, or leaking a patient"
        return
    listed = {row.shard: row for row in rows}
    for name in sorted(listed.keys() | shards.keys()):
        if name not in listed:
            yield f"{name}: not in {manifest.MANIFEST}"
        elif name not in shards:
            yield f"{manifest.MANIFEST}: a shard that it lists is missing"
        else:
            row, shard = listed[name], shards[name]
            parts = name.split("-")
            facts = {
                "bytes": (row.bytes, shard.bytes),
                "sha256": (row.sha256, shard.sha256),
                "records": (row.records, shard.records),
                "patients": (row.patients, shard.patients),
                "split": (row.split, parts[1]),
                "sequence": (row.sequence, parts[2]),
                "schema": (row.split in records.SPLITS, True),
            }
            yield from (
                f"{name}: {fact} differ from {manifest.MANIFEST}"
                for fact, (stated, actual) in facts.items()
                if stated != actual
            )


def _strings(path: str) -> list[str]:
    """Reads the strings to look for: JSON of any nesting, or one a line."""
    if not path:
        return []
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("--canaries must be a readable UTF-8 text file.", ExitCode.USAGE) from error
    try:
        return list(_leaves(json.loads(text)))
    except ValueError:
        return [line.strip() for line in text.splitlines() if line.strip()]


def _leaves(value) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)
