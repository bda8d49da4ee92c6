"""No string of a table, a path or a NIfTI header reaches an output, whichever way the row goes."""

import gzip
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from ingest_runs import Result, key_file
from nifti_volumes import affine, head, image, row, write_table
from places import ROOT
from test_ingest_canaries import Tokens, everything, leaks

STRINGS = {"descrip": 79, "aux_file": 23, "intent_name": 15, "db_name": 17, "data_type": 9}
"""Fields of a NIfTI-1 header that hold text, and how long it may be."""


def plant(made: nibabel.Nifti1Image, tokens: Tokens) -> bytes:
    """The file of an image whose header, extensions and tail are full of tokens."""
    for name, size in STRINGS.items():
        made.header[name] = tokens.text()[:size] if size > 13 else b"patient"
    for code in (0, 4, 6):  # ignore, AFNI, comment
        made.header.extensions.append(
            nibabel.nifti1.Nifti1Extension(code, f"<{tokens.text()}>".encode())
        )
    return made.to_bytes() + tokens.text().encode()


def packed(content: bytes, tokens: Tokens) -> bytes:
    """gzip whose header holds a file name, as every gzip on a command line writes it."""
    plain = gzip.compress(content)
    name = tokens.text().encode() + b"\0"
    return plain[:3] + bytes([plain[3] | 8]) + plain[4:10] + name + plain[10:]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A table of good and bad rows, full of tokens, and the tokens."""
    tokens = Tokens()
    folder = tmp_path_factory.mktemp("in") / tokens.text()
    rows = []
    bad = {
        "cut": lambda blob: blob[:600],
        "garbage": lambda blob: blob[:40] + os.urandom(300),
        "text": lambda blob: tokens.text().encode() * 50,
        "form": lambda blob: blob[:280] + b"\xff" * 48 + blob[328:],
        "kind": lambda blob: blob[:70] + b"\x20\x00" + blob[72:],
    }
    for number, kind in enumerate(["good", "good", *bad, "gone", "folder"]):
        content = plant(head(seed=number), tokens)
        content = bad.get(kind, bytes)(content)
        path = folder / tokens.text() / f"{tokens.text()}.nii.gz"
        path.parent.mkdir(parents=True)
        if kind == "folder":
            path.mkdir()
        elif kind != "gone":
            path.write_bytes(packed(content, tokens))
        inside = np.ones((20, 24, 6), np.uint8)
        middle = (0, 0, 0) if number % 2 else (0, 3, 0)
        mask = path.parent / f"{tokens.text()}.nii"
        mask.write_bytes(
            plant(image(inside, affine((20, 24, 6), (8.0, 8.0, 12.0), middle)), tokens)
        )
        place = path if number % 2 else path.relative_to(folder)
        rows.append(row(place, "t2", tokens.text(), tokens.text(), lesion_mask=mask))
    return write_table(folder / f"{tokens.text()}.csv", rows), tokens.words


def command(table, folder, *flags):
    return subprocess.run(
        [
            *(sys.executable, ROOT / "tools" / "nifti_to_tfrecord.py", "--verbosity=2"),
            *(f"--table={table}", f"--output={folder / 'out'}", f"--key_file={folder / 'key'}"),
            *("--splits=train:1", "--workers=2", "--max_bad=1", "--text_guard=off", *flags),
        ],
        capture_output=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_no_token_is_in_any_output_of_the_command(tmp_path, planted):
    table, words = planted
    key_file(tmp_path)
    run = command(table, tmp_path, "--qa_sheet=1")
    result = Result(tmp_path / "out")
    assert run.returncode == 4, run.stdout + run.stderr
    assert b"row 2, column lesion_mask: quarantined, mask_mismatch" in run.stdout
    assert result.card["objects"]["converted"] == 3 and len(result.records()) == 12
    expected = {"truncated", "not_nifti", "bad_orientation", "bad_type", "io_error"}
    assert expected <= set(result.card["objects"]["quarantined"])
    assert leaks(run.stdout + run.stderr, words) == []
    assert leaks(everything(result), words) == []
    for path in result.directory.glob("*.tfrecord"):
        assert b"CANARY" not in path.read_bytes()


def test_dry_run_says_nothing_either_and_writes_nothing(tmp_path, planted):
    table, words = planted
    run = command(table, tmp_path, "--dry_run")
    assert run.returncode == 0 and b"would write 1 shard(s) from 2 series" in run.stdout
    assert b"# --table is not shown" in run.stdout and b"row 4, column path" in run.stdout
    assert leaks(run.stdout + run.stderr, words) == [] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cell", "heading", "missing"])
def test_an_error_of_the_table_says_nothing_either(tmp_path, planted, damage):
    table, words = planted
    text = table.read_text()
    changed = table.with_name("CANARY000001X.csv" if damage == "missing" else "changed.csv")
    if damage != "missing":
        old, new = (",t2,", ",CANARY000001X,") if damage == "cell" else ("study", "CANARY000001X")
        changed.write_text(text.replace(old, new, 1))
    run = command(changed, tmp_path)
    assert run.returncode == (5 if damage == "missing" else 2)
    assert run.stderr.startswith(b"error: --table") and run.stderr.count(b"\n") == 1
    assert leaks(run.stdout + run.stderr, words | {"CANARY000001X"}) == []
    assert not (tmp_path / "out").exists() and not (tmp_path / "key").exists()
