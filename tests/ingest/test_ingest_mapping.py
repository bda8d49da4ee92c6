"""The operator's classes: read back from an edited series.csv, and stronger than the rules."""

import csv
import io

import pytest
from dicom_studies import write_stack, write_study
from ingest_runs import KEY, config, convert

from tfcyclegan.errors import UserError
from tfcyclegan.ingest import mapping, run
from tfcyclegan.ingest.account.ledger import COLUMNS
from tfcyclegan.privacy.pseudonyms import Pseudonyms

KEY_A, KEY_B = "0" * 32, "1" * 32


def written(folder, text: str | bytes):
    path = folder / "edited.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def refused(folder, text) -> str:
    with pytest.raises(UserError) as caught:
        mapping.read(written(folder, text))
    assert caught.value.exit_code == 2 and str(folder) not in str(caught.value)
    return str(caught.value)


def series_csv(rows: list[dict], classes: dict[str, str]) -> str:
    """series.csv as an operator leaves it: user_class by the proposed class."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "user_class": classes.get(row["proposed"], "")})
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"series_key,user_class\n{KEY_A},t2\n{KEY_B},\n",
        f"\ufeffseries_key,user_class\r\n{KEY_A},T2\r\n{KEY_B},\r\n",
        f"n;user_class;series_key\n5;t2 ;{KEY_A}\n\n3;;{KEY_B}",
        f'"user_class","series_key"\r\n"t2","{KEY_A}"\r\n"t2","{KEY_A}"\r\n',
    ],
)
def test_spreadsheets_may_leave_marks_and_only_filled_rows_count(tmp_path, text):
    classes = mapping.read(written(tmp_path, text))
    assert mapping.settled(classes) == ((KEY_A, "t2"),)
    assert classes[KEY_A].row == 2


def test_no_mapping_has_no_rows():
    assert mapping.read("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1: the header lacks the column series_key"),
        ("series_key,n\n", "row 1: the header lacks the column user_class"),
        (f"series_key,user_class\n{KEY_A},t2\n{KEY_B},t3\n", "row 3: user_class must be empty"),
        (f"series_key,user_class\n{KEY_A},\n\n{KEY_B},DOE^JOHN\n", "row 4: user_class must be"),
        (f"series_key,user_class\n{KEY_A},t2\n{KEY_A},flair\n", "row 3: the series has another"),
        (f'series_key,user_class\n"{KEY_A}"x,t2\n', "row 2: the row is not valid CSV"),
        (b"series_key,user_class\n\xff\xfe,t2\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_by_its_row_and_never_quoted(tmp_path, text, message):
    found = refused(tmp_path, text)
    assert message in found and "DOE" not in found and KEY_A not in found


def test_a_mapping_that_does_not_exist_is_refused_before_anything_is_read(tmp_path):
    write_study(tmp_path / "in")
    with pytest.raises(UserError, match="--mapping cannot be read") as caught:
        run.run(config(tmp_path, tmp_path / "in", f"--mapping={tmp_path / 'DOE.csv'}"))
    assert caught.value.exit_code == 2 and "DOE" not in str(caught.value)


@pytest.fixture
def unnamed(tmp_path):
    """A T2 study and a series whose name contradicts its physics."""
    write_study(tmp_path / "in")
    write_stack(tmp_path / "in" / "u", series="u", study="study PAT1", SeriesDescription="t1 tse")
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 0 and result.reasons == {"": 12, "unsure": 6}
    return tmp_path, result


def test_series_csv_is_the_form_to_fill_in(unnamed):
    _, result = unnamed
    wanted = ["series_key", "n", "TE", "TR", "TI", "plane", "proposed", "confidence", "reason"]
    wanted += ["user_class"]
    assert [name for name in result.series[0] if name in wanted] == wanted
    by_class = {(row["proposed"], row["reason"]): row for row in result.series}
    flair, unsure = by_class["flair", ""], by_class["t2", "unsure"]
    assert (flair["n"], flair["TE"], flair["TR"], flair["TI"]) == ("6", "110.0", "9000.0", "2500.0")
    assert float(unsure["confidence"]) < 0.5 and unsure["series_key"] == Pseudonyms(KEY).of(
        "series", series_uid("u")
    )
    assert {row["user_class"] for row in result.series} == {""}


def series_uid(series: str) -> bytes:
    from dicom_studies import uid

    return uid("study PAT1", series).encode()


def test_the_edited_file_decides_and_is_kept(unnamed):
    folder, result = unnamed
    # The unsure series is a T2 after all, and the operator does not want the FLAIR.
    text = series_csv(result.series, {"t2": "t2", "flair": "skip"})
    (folder / "2").mkdir()
    flag = f"--mapping={written(folder, text)}"
    code, second = convert(folder / "2", folder / "in", flag)
    assert code == 0 and second.reasons == {"": 12, "user_skip": 6}
    found = second.records()
    assert {r["series/class"] for r in found} == {b"t2"} and len(found) == 12
    assert {r["series/class_source"] for r in found} == {b"mapping"}
    assert {float(r["series/class_confidence"]) for r in found} == {1.0}
    assert sorted(row["user_class"] for row in second.series) == ["skip", "t2", "t2"]
    (folder / "3").mkdir()
    again = f"--mapping={second.directory / 'series.csv'}"
    assert convert(folder / "3", folder / "in", again)[1].files() == second.files()


def test_a_class_that_is_not_kept_is_no_record(unnamed):
    folder, result = unnamed
    (folder / "2").mkdir()
    flag = f"--mapping={written(folder, series_csv(result.series, {'flair': 'pd'}))}"
    _, second = convert(folder / "2", folder / "in", flag)
    assert second.reasons == {"": 6, "unsure": 6, "other_sequence": 6}
    assert {row["proposed"] for row in second.series} == {"t2", "flair"}, "the rules' opinion stays"


def test_another_mapping_is_another_configuration(unnamed):
    folder, result = unnamed
    before = result.files()
    flag = f"--mapping={written(folder, series_csv(result.series, {'t2': 't2'}))}"
    with pytest.raises(UserError, match="another configuration") as caught:
        convert(folder, folder / "in", flag)
    assert caught.value.exit_code == 8 and result.files() == before
    flag = f"--mapping={written(folder, series_csv(result.series, {}))}"
    assert convert(folder, folder / "in", flag)[1].files() == before, "nothing was filled in"


def test_a_key_that_the_input_does_not_have_is_refused_by_row(unnamed):
    folder, result = unnamed
    text = series_csv(result.series, {"t2": "t2"}) + f"{KEY_A},,,,,,,,,,,flair\r\n"
    (folder / "2").mkdir()
    with pytest.raises(UserError, match="row 5: --input has no series") as caught:
        convert(folder / "2", folder / "in", f"--mapping={written(folder, text)}")
    assert caught.value.exit_code == 2 and not (folder / "2" / "out").exists()


def test_physics_that_is_no_candidate_cannot_be_named_into_one(tmp_path):
    """A class is an opinion about contrast; whether it is an image to learn from is not."""
    write_study(tmp_path / "in")
    write_stack(tmp_path / "in" / "few", series="few", study="study PAT1", slices=3)
    _, result = convert(tmp_path, tmp_path / "in")
    rows = [{**row, "proposed": row["reason"]} for row in result.series]
    (tmp_path / "2").mkdir()
    flag = f"--mapping={written(tmp_path, series_csv(rows, {'too_few_slices': 't2'}))}"
    _, second = convert(tmp_path / "2", tmp_path / "in", flag)
    assert second.reasons == {"": 12, "too_few_slices": 3}


def test_the_path_of_a_mapping_is_not_shown(tmp_path):
    made = config(tmp_path, tmp_path, f"--mapping={tmp_path / 'DOE_JOHN.csv'}")
    assert "DOE_JOHN" not in made.to_flagfile() and "# --mapping is not shown" in made.to_flagfile()
