"""Section F of the specification: what becomes of bad input, case by case.

Most cases share one conversion, each as a study of its own; the others have tests of their own,
which are found here by their mark. Together they are all the cases there are.
"""

import collections
import contextlib
import dataclasses
import importlib
import io
import pathlib
import re

import numpy as np
import pytest
from bad_objects import COVERED, GOOD, Study
from bad_table import TABLE
from ingest_runs import KEY, Result, convert

from tfcyclegan.ingest.account.ledger import decision_of
from tfcyclegan.ingest.verification import known_strings
from tfcyclegan.privacy import guard
from tfcyclegan.privacy.pseudonyms import Pseudonyms

NAMES = Pseudonyms(KEY)
REFERENCES = {GOOD + extra: 100 + extra for extra in range(4)}
"""Slices of a good series to the number of a study that has nothing else."""


@dataclasses.dataclass
class Run:
    """A conversion of many cases."""

    studies: dict[int, Study]
    code: int
    audit: dict[str, list[dict]]
    quarantine: dict[str, list[dict]]
    series: list[dict]
    records: dict[str, list[dict]]
    card: dict
    told: set[bytes]

    def rows(self, number: int) -> list[tuple]:
        """Returns (expected file, its rows in audit.jsonl) of a case."""
        study = self.studies[number]
        return [(file, self.audit[file_key(study.root, file.path)]) for file in study.files]

    def records_of(self, number: int) -> list[dict]:
        study = self.studies[number]
        patients = {file.patient for file in study.files if file.patient[0]}
        return [r for who in sorted(patients) for r in self.records.get(patient_key(*who), [])]

    def series_of(self, number: int) -> list[dict]:
        keys = {row["series_key"] for _, rows in self.rows(number) for row in rows}
        return [row for row in self.series if row["series_key"] in keys]


def file_key(root: pathlib.Path, path: bytes) -> str:
    return NAMES.of("file", path.removeprefix(bytes(root) + b"/"))


def patient_key(patient: str, issuer: str) -> str:
    return NAMES.of("patient", patient.encode(), issuer.encode())


def by(rows: list[dict], column: str) -> dict:
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return groups


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("bad")
    studies = {}
    for number, build in TABLE.items():
        studies[number] = Study(folder / "in", number)
        build(studies[number])
    for count, number in REFERENCES.items():
        studies[number] = Study(folder / "in", number)
        for index in range(GOOD, count):
            studies[number].add("", studies[number].slice(index))
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        code, result = convert(folder, folder / "in", "--monochrome1=refuse")
    told = everything(result) + shown.getvalue().encode()
    return Run(
        studies,
        code,
        by(result.lines("audit.jsonl"), "file_key"),
        by(result.lines("quarantine.jsonl"), "file_key"),
        result.series,
        {key.decode(): rows for key, rows in by(result.records(), "id/patient").items()},
        result.card,
        set(re.findall(rb"PLANTED\d*", told)),
    )


def everything(result: Result) -> bytes:
    """Returns all names and bytes that were written, pixels included."""
    return b"\0".join(name.encode() + b"\0" + content for name, content in result.files().items())


@pytest.mark.parametrize("number", TABLE)
def test_every_object_is_counted_once_with_its_reason(run, number):
    for file, rows in run.rows(number):
        assert [row["reason"] in file.reasons for row in rows] == [True], (file, rows)
        (row,) = rows
        listed = run.quarantine.get(row["file_key"], [])
        assert bool(listed) == (decision_of(row["reason"]) == "quarantined")


@pytest.mark.parametrize("number", TABLE)
def test_the_good_slices_convert(run, number):
    study = run.studies[number]
    found = {who: len(run.records.get(patient_key(*who), [])) for who in study.records()}
    assert found == dict(study.records())
    records = run.records_of(number)
    if study.pixels_as_good:
        reference = run.records_of(REFERENCES[len(records)])
        for record, good in zip(records, reference, strict=True):
            for name in ("image/data", "image/scale_lo", "image/scale_hi", "geom/slice_pos_mm"):
                np.testing.assert_array_equal(record[name], good[name], err_msg=name)
    assert study.check is None or study.check(run.series_of(number), records)


@pytest.mark.parametrize("number", TABLE)
def test_no_planted_word_is_told(run, number):
    assert not run.told & {run.studies[number].word.encode(), b"PLANTED"}


def test_the_whole_adds_up(run):
    files = [file for study in run.studies.values() for file in study.files]
    counts = run.card["objects"]
    ended = [*counts["skipped"].values(), *counts["quarantined"].values()]
    assert counts["seen"] == len(files) == counts["converted"] + sum(ended)
    assert sum(map(len, run.audit.values())) == len(files)
    assert run.code == 4 and run.told == set()
    assert run.card["parser_warnings"]["trailing_bytes"] == 1


def test_these_are_all_the_cases_of_the_specification():
    for name in ("test_ingest_bad_runs", "test_ingest_bad_archives", "test_ingest_fuzz"):
        importlib.import_module(name)
    assert TABLE.keys() | COVERED == set(range(1, 94))


def test_code_lines_two_rooms_deep_are_reported_and_known(run):
    """What is not a `Refusal` of this package names the line that it came from."""
    rows = [row for found in run.quarantine.values() for row in found if row["location"]]
    deep = {row["location"] for row in rows if row["location"].startswith("imaging/dicom/")}
    assert deep
    for place in deep:
        assert known_strings.is_known(place)
        guard.check_row({"location": place}, ())
        assert not known_strings.is_known(place.replace("dicom", "nowhere"))
        assert not known_strings.is_known(f"models/{place}")
