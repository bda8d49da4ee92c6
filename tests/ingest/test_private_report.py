"""The operator's report, patients without an id, and the release of faces."""

import json
import stat

import numpy as np
import pytest
from burned_in_text import draw, phantom
from dicom_studies import write_stack, write_study
from ingest_runs import Result, config, convert

from tfcyclegan.config import IngestConfig
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import plan, run
from tfcyclegan.ingest.account import card
from tfcyclegan.ingest.verification import output_check
from tfcyclegan.ingest.verification.search import Needles


def test_the_report_maps_keys_to_files_and_only_there(tmp_path):
    write_study(tmp_path / "in" / "DOE John", SeriesDescription="T2 of DOE")
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    report = tmp_path / "report.jsonl"
    code, result = convert(tmp_path, tmp_path / "in", f"--private_report={report}")
    assert code == 0 and stat.S_IMODE(report.stat().st_mode) == 0o600
    rows = {row["file_key"]: row for row in map(json.loads, report.read_text().splitlines())}
    assert set(rows) == {row["file_key"] for row in result.lines("audit.jsonl")}
    series = {row["series_key"] for row in result.series}
    for row in rows.values():
        assert row["path"].startswith(str(tmp_path / "in"))
        is_text = row["path"].endswith(".txt")
        assert row["SeriesDescription"] == ("" if is_text else "T2 of DOE")
        assert (row["series"] in series) != is_text
    assert list(output_check.check(result.directory, Needles(["DOE John", "T2 of DOE"]))) == []


def test_the_report_is_replaced_and_does_not_change_the_output(tmp_path):
    write_study(tmp_path / "in")
    report = tmp_path / "report.jsonl"
    _, result = convert(tmp_path, tmp_path / "in", f"--private_report={report}")
    before, first = result.files(), report.read_bytes()
    convert(tmp_path, tmp_path / "in", f"--private_report={report}")
    assert report.read_bytes() == first
    assert convert(tmp_path, tmp_path / "in")[1].files() == before


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("out/report", "outside --output"),
        ("out/../out/deep/report", "outside --output"),
        ("out", "outside --output"),
        ("key", "--key_file"),
        ("nowhere/report", "directory that exists"),
        ("in/DOE", "no earlier report"),
    ],
)
def test_bad_places_are_refused_without_naming_them(tmp_path, place, problem):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "DOE").write_text("a file of somebody")
    with pytest.raises(UserError, match=problem) as caught:
        run.run(config(tmp_path, tmp_path / "in", f"--private_report={tmp_path / place}"))
    assert caught.value.exit_code == 2 and str(tmp_path) not in str(caught.value)
    assert (tmp_path / "in" / "DOE").read_text() == "a file of somebody"


def write_nameless(folder):
    for number, patient in enumerate(("", "ANONYMOUS", "unknown ", "0000")):
        write_stack(folder / str(number), patient=patient, study=f"study {number}")
    write_stack(folder / "named", patient="P1", study="study 4")


def test_images_of_nobody_are_quarantined(tmp_path):
    write_nameless(tmp_path / "in")
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 4 and result.reasons == {"": 6, "patient_id_missing": 24}
    statement = result.card["deidentification"]
    assert statement["missing_patient"] == "quarantine"
    assert statement["objects_refused"]["patient_id_missing"] == 24


def test_each_study_of_nobody_can_be_a_patient(tmp_path):
    write_nameless(tmp_path / "in")
    code, result = convert(tmp_path, tmp_path / "in", "--missing_patient=study")
    assert code == 0 and len({r["id/patient"] for r in result.records()}) == 5
    assert "two splits" in result.card["deidentification"]["missing_patient_risk"].replace("\n", "")
    assert list(output_check.check(result.directory, Needles([]))) == []


def test_an_id_of_too_many_studies_is_nobodys(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "MOST_STUDIES", 2)
    for number in range(3):
        write_stack(tmp_path / "in" / str(number), patient="SITE7", study=f"study {number}")
    write_stack(tmp_path / "in" / "x", patient="P1", study="study x")
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 4 and result.reasons == {"": 6, "patient_id_missing": 18}
    (tmp_path / "b").mkdir()
    code, result = convert(tmp_path / "b", tmp_path / "in", "--missing_patient=study")
    assert code == 0 and len({r["id/patient"] for r in result.records()}) == 4


def test_a_release_needs_somebody_who_accepts_the_faces(tmp_path, capfd):
    write_study(tmp_path / "in")
    with pytest.raises(UserError, match="--for_release needs --accept_face_risk"):
        IngestConfig.parse("--input=i", "--output=o", "--key_file=k", "--for_release")
    flags = ("--for_release", "--accept_face_risk")
    code, result = convert(tmp_path, tmp_path / "in", *flags)
    told = capfd.readouterr().err
    assert code == 0 and told.count("96 to 98 %") == 1
    statement = result.card["deidentification"]
    assert statement["for_release"] is True and statement["face_risk"] == card.FACE_RISK
    assert statement["recognizable_visual_features"] == "not removed"
    assert list(output_check.check(result.directory, Needles([]))) == []


def test_the_statement_is_complete(tmp_path):
    write_study(tmp_path / "in")
    _, result = convert(tmp_path, tmp_path / "in")
    statement = result.card["deidentification"]
    assert statement["method_codes"] == ["113100"]
    assert set(statement["not_claimed"]) == {"113101", "113102"}
    assert statement["whitelist"] == {"version": 1, "features": 44}
    assert statement["for_release"] is False and len(statement["residual_risks"]) == 5


@pytest.mark.parametrize("inverted", [False, True])
def test_a_series_with_text_is_quarantined_and_a_clean_one_is_not(tmp_path, inverted):
    clean = phantom(2)[0]
    texted = draw(clean, "DOE^JOHN", (0.5, 1), 0, 0.5, everywhere=False)
    options = {"PhotometricInterpretation": "MONOCHROME1"} if inverted else {}
    for name, volume in (("clean", clean), ("text", texted)):
        whole = 4095 - volume if inverted else volume
        write_stack(
            tmp_path / "in" / name,
            slices=len(volume),
            gap=6.0,
            rows=160,
            columns=160,
            spacing=(1.4, 1.4),
            study=name,
            values=lambda p, v=whole: v[int(np.rint(p[0, 0, 2] / 6 + len(v) / 2))],
            **options,
        )
    code, result = convert(tmp_path, tmp_path / "in", "--text_guard=quarantine")
    assert code == 4 and result.reasons["burned_in_suspect"] == len(clean)
    assert sorted(row["reason"] for row in result.series) == ["", "burned_in_suspect"]
    (tmp_path / "b").mkdir()
    code, result = convert(tmp_path / "b", tmp_path / "in")
    assert code == 0 and result.card["deidentification"]["text_guard"] == "off"


def test_a_volume_that_lost_its_slices_is_too_short_and_not_suspected(tmp_path):
    for number, path in enumerate(write_stack(tmp_path / "in", slices=6)):
        if number < 3:
            path.write_bytes(path.read_bytes()[:-9])
    write_study(tmp_path / "in" / "other", "P2")
    with pytest.raises(UserError, match="Nothing was converted"):
        convert(tmp_path, tmp_path / "in", "--text_guard=quarantine")
    result = Result(tmp_path / "out")
    assert result.reasons == {"burned_in_suspect": 12, "truncated": 3, "too_few_slices": 3}
