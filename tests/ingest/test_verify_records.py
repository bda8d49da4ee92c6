"""A clean output passes; a planted string, a forbidden feature or a cut shard is found."""

import base64
import json
import pathlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
from dicom_studies import write_study
from ingest_runs import convert
from places import ROOT

from tfcyclegan.config import VerifyConfig
from tfcyclegan.data import manifest
from tfcyclegan.errors import UserError
from tfcyclegan.ingest.verification import output_check, png, search
from tfcyclegan.ingest.verification.search import Needles

WORD = "DOE^Jonathan"
TOOL = ROOT / "tools" / "verify_records.py"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An output with something in every kind of file."""
    folder = tmp_path_factory.mktemp("finished")
    write_study(folder / "in" / "a")
    (folder / "in" / "broken.dcm").write_bytes(bytes(128) + b"DICM")
    code, result = convert(folder, folder / "in", "--qa_sheet=1")
    assert code == 4
    return result.directory


@pytest.fixture
def copy(finished, tmp_path):
    return pathlib.Path(shutil.copytree(finished, tmp_path / "copy"))


def findings(directory, *words) -> list[str]:
    return list(output_check.check(directory, Needles(words)))


def shard_of(directory) -> pathlib.Path:
    return sorted(directory.glob("*.tfrecord"))[0]


def rewrite(directory, change) -> None:
    """Replaces a shard's records by changed ones, and makes the manifest agree with them."""
    path = shard_of(directory)
    payloads = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for payload in change(payloads):
            writer.write(payload)
    rows = [json.loads(line) for line in (directory / manifest.MANIFEST).read_text().splitlines()]
    for row in rows:
        if row["shard"] == path.name:
            row |= {"bytes": path.stat().st_size, "sha256": manifest.sha256_of(path)}
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    (directory / manifest.MANIFEST).write_text(text)


def with_feature(name: str, value: bytes):
    def change(payloads):
        example = tf.train.Example.FromString(payloads[0])
        example.features.feature[name].Clear()
        example.features.feature[name].bytes_list.value.append(value)
        return [example.SerializeToString(deterministic=True), *payloads[1:]]

    return change


def test_a_finished_output_is_clean(finished):
    assert findings(finished, WORD, "PAT1 of nobody", "Name^PAT1 ") == []


@pytest.mark.parametrize(
    "form",
    [
        WORD.encode(),
        b"doe^jonathan",
        b"JONATHAN",
        WORD[::-1].encode(),
        WORD.encode("utf-16-le"),
        WORD.encode("utf-16-be"),
        WORD.encode().hex().encode(),
        WORD.encode().hex().upper().encode(),
        *(base64.b64encode(b"x" * n + WORD.encode() + b"yy") for n in range(3)),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_every_disguise_is_found_at_every_place(form, before):
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    content = noise[:before] + form + noise
    needles = Needles([WORD])
    assert needles.offsets(noise) == []
    first = needles.offsets(content)[0]
    assert before <= first <= before + 8 and len(content) - len(noise) > first
    assert needles.offsets(noise + form) and needles.offsets(form)


def test_short_strings_are_left_out_and_counted():
    needles = Needles(["DOE^Jonathan", "M", "1970"])
    assert (needles.count, needles.left_out) == (2, 3)
    assert Needles([]).offsets(b"anything") == [] and search.SHORTEST == 5
    assert needles.offsets(b"") == []


TEXTS = ("dataset_card.json", "manifest.jsonl", "series.csv", "quarantine.jsonl", "audit.jsonl")


@pytest.mark.parametrize("name", [*TEXTS, "shard", "sheet"])
def test_a_planted_string_is_found_in_each_kind_of_file(copy, name):
    path = {"shard": shard_of(copy), "sheet": next((copy / "qa").iterdir())}.get(name, copy / name)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + WORD.encode() + content[middle:])
    found = findings(copy, WORD)
    assert f"{path.relative_to(copy)}: a given string at byte {middle}" in found
    # Without knowing the string, the file is seen to be no output of the program.
    assert findings(copy) and WORD not in str(found)


@pytest.mark.parametrize("name", ["dataset_card.json", "quarantine.jsonl", "audit.jsonl"])
def test_a_valid_file_with_a_foreign_value_or_key_is_found(copy, name):
    path = copy / name
    lines = path.read_text().splitlines() if name.endswith("l") else [path.read_text()]
    row = json.loads(lines[0])
    for changed, problem in (
        ({**row, WORD: 1}, "a key is outside the closed vocabulary"),
        ({**row, "reason": WORD}, "reason is outside the closed vocabulary"),
        ({**row, "series_key": ["0" * 32, "1.2.840.1"]}, "series_key is outside"),
    ):
        path.write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")
        assert any(problem in finding for finding in findings(copy))


def test_a_foreign_cell_is_found(copy):
    path = copy / "series.csv"
    path.write_text(path.read_text().replace(",axial,", f",{WORD},", 1))
    (found,) = findings(copy)
    assert found == "series.csv: row 2, column 6 is outside the closed vocabulary"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patient/name", WORD.encode()),
        ("id/patient", WORD.encode()),
        ("series/class", b"T2 DOE"),
        ("mr/manufacturer", b"SIEMENS"),
        ("image/data", bytes(2 * 256 * 256 + 8)),
    ],
)
def test_a_forbidden_feature_is_found(copy, name, value):
    rewrite(copy, with_feature(name, value))
    found = findings(copy)
    assert any(finding.startswith(f"{shard_of(copy).name}: record 0: ") for finding in found)
    assert "DOE" not in str(found)


def test_bytes_between_the_features_are_found(copy):
    # Field 15 is none of tf.train.Example's: tag, length, content.
    hidden = b"\x7a" + bytes([len(WORD)]) + WORD.encode()
    rewrite(copy, lambda payloads: [payloads[0] + hidden, *payloads[1:]])
    assert any("bytes outside the whitelisted features" in finding for finding in findings(copy))


@pytest.mark.parametrize("where", ["record boundary", "middle", "one bit"])
def test_a_cut_or_changed_shard_is_found(copy, where):
    path = shard_of(copy)
    content = bytearray(path.read_bytes())
    first = 16 + int.from_bytes(content[:8], "little")
    content[first - 100] ^= where == "one bit"
    ends = {"record boundary": first, "middle": 2 * first - 50, "one bit": None}
    path.write_bytes(content[: ends[where]])
    found = findings(copy)
    assert any("sha256 differ from manifest.jsonl" in finding for finding in found)
    assert any("cut off or damaged" in finding for finding in found) == (where != "record boundary")


def test_a_missing_or_added_shard_is_found(copy):
    path = shard_of(copy)
    path.rename(path.with_name(path.name.replace("mri", "other")))
    found = findings(copy)
    assert any(finding.endswith("not in manifest.jsonl") for finding in found)
    assert "manifest.jsonl: a shard that it lists is missing" in found


def test_an_unfinished_output_is_not_clean(copy):
    (copy / "dataset_card.json").unlink()
    assert findings(copy)[0].startswith("dataset_card.json is missing")


def test_foreign_files_are_found_and_not_named(copy):
    (copy / f"{WORD}.txt").write_text("hello")
    (copy / "qa" / f"{WORD}.png").write_bytes((next((copy / "qa").iterdir())).read_bytes())
    (copy / "core").symlink_to("/dev/null")
    (copy / "study").mkdir()
    found = findings(copy, WORD)
    assert sum("foreign" in finding for finding in found) >= 4
    assert any("a given string in the name" in finding for finding in found)
    assert "DOE" not in str(found) and "core" not in str(found)


def test_a_picture_with_text_or_a_tail_is_found():
    picture = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    assert list(png.problems(picture)) == []
    chunk = b"tEXtTitle\0DOE"
    import zlib

    text = len(chunk[4:]).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert list(png.problems(picture[:33] + text + picture[33:])) == [
        "a chunk at byte 33 that is not for pixels"
    ]
    for broken in (picture + b"DOE", picture[:-5], picture[:50] + b"\1" + picture[51:], b"DOE"):
        assert list(png.problems(broken))


@pytest.mark.parametrize(
    "text",
    [json.dumps([WORD]), json.dumps({"a": {"n": WORD, "m": [1, None]}}), f"\n{WORD}\nother one\n"],
)
def test_the_command_tells_clean_from_found_and_shows_no_string(copy, tmp_path, text, capfd):
    (tmp_path / "words").write_text(text)
    flags = [f"--data_dir={copy}", f"--canaries={tmp_path / 'words'}"]
    assert output_check.run(VerifyConfig.parse(*flags)) == 0
    (copy / "audit.jsonl").open("a").write(WORD)
    assert output_check.run(VerifyConfig.parse(*flags)) == 7
    told = capfd.readouterr()
    assert "0 finding(s)" in told.out and "audit.jsonl: a given string at byte" in told.out
    assert "DOE" not in told.out + told.err and str(tmp_path) not in told.out + told.err


def test_the_tool_exits_with_the_finding(copy):
    (copy / "audit.jsonl").write_text(WORD)
    command = [sys.executable, TOOL, copy]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 7 and "audit.jsonl: " in done.stdout and "DOE" not in done.stdout


def test_wrong_flags_are_explained(tmp_path):
    with pytest.raises(UserError, match="--data_dir") as caught:
        output_check.run(VerifyConfig.parse(f"--data_dir={tmp_path / 'no'}"))
    assert caught.value.exit_code == 5 and str(tmp_path) not in str(caught.value)
    with pytest.raises(UserError, match="--canaries"):
        output_check.run(
            VerifyConfig.parse(f"--data_dir={tmp_path}", f"--canaries={tmp_path / 'no'}")
        )
