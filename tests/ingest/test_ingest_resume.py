"""An interrupted conversion goes on, and ends in the bytes of one that was not interrupted."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from archive_files import WRITERS, tree
from dicom_studies import write_study
from ingest_runs import Result, config, convert, key_file
from places import ROOT

from tfcyclegan import files as tfcyclegan_files
from tfcyclegan.data import manifest
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import output, shards
from tfcyclegan.ingest import run as ingest_run

KILLS = int(os.environ.get("TFCYCLEGAN_KILLS", "4"))
SMALL = "--shard_bytes=1048576"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Four patients, one of them with a damaged file, in several shards."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(4):
        write_study(folder / str(number), f"P{number}", rows=16, columns=16, spacing=(10, 10))
    path = sorted((folder / "0" / "t2").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-100])
    return folder


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """Every file of a conversion that nothing disturbed."""
    code, result = convert(tmp_path_factory.mktemp("whole"), source, SMALL)
    assert code == 4 and len(manifest.read(result.directory)) >= 4
    return result.files()


def refused(folder, source, *flags) -> UserError:
    with pytest.raises(UserError) as caught:
        ingest_run.run(config(folder, source, SMALL, *flags))
    return caught.value


def disk_full_after(monkeypatch, calls: int):
    left, sync = [calls], tfcyclegan_files.sync

    def full(path):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(path)

    monkeypatch.setattr(tfcyclegan_files, "sync", full)


@pytest.mark.parametrize("calls", [0, 4, 9, 13])
def test_a_full_disk_ends_in_6_and_the_next_run_finishes(
    tmp_path, source, whole, monkeypatch, calls
):
    with monkeypatch.context() as patch:
        disk_full_after(patch, calls)
        error = refused(tmp_path, source)
    assert error.exit_code == 6 and "is on a full disk" in str(error)
    assert not (tmp_path / "out" / manifest.CARD).exists()
    assert convert(tmp_path, source, SMALL)[0] == 4
    assert Result(tmp_path / "out").files() == whole


def written_again(folder, source, monkeypatch) -> int:
    names, write = [], shards.write
    monkeypatch.setattr(shards, "write", lambda d, n, *rest: names.append(n) or write(d, n, *rest))
    convert(folder, source, SMALL)
    return len(names)


def interrupted(folder, source, monkeypatch, after=2) -> None:
    """Leaves `after` finished shards."""
    with monkeypatch.context() as patch:
        disk_full_after(patch, 4 + 2 * after)
        assert refused(folder, source).exit_code == 6
    assert len(list((folder / "out").glob("*.tfrecord"))) == after


def test_finished_shards_are_kept(tmp_path, source, whole, monkeypatch):
    interrupted(tmp_path, source, monkeypatch)
    total = len([name for name in whole if name.endswith(".tfrecord")])
    assert written_again(tmp_path, source, monkeypatch) == total - 2
    assert Result(tmp_path / "out").files() == whole


def test_a_shard_that_was_changed_is_written_again(tmp_path, source, whole, monkeypatch):
    interrupted(tmp_path, source, monkeypatch)
    path = sorted((tmp_path / "out").glob("*.tfrecord"))[0]
    blob = path.read_bytes()
    path.write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
    total = len([name for name in whole if name.endswith(".tfrecord")])
    assert written_again(tmp_path, source, monkeypatch) == total - 1
    assert Result(tmp_path / "out").files() == whole


def test_other_inputs_are_converted_from_the_start(tmp_path, source, monkeypatch):
    interrupted(tmp_path, source, monkeypatch)
    write_study(tmp_path / "more" / "new", "NEW", rows=16, columns=16, spacing=(10, 10))
    inputs = f"{source},{tmp_path / 'more'}"
    again = written_again(tmp_path, inputs, monkeypatch)
    assert again == len(manifest.read(tmp_path / "out"))


def test_a_cut_journal_costs_its_last_line(tmp_path, source, whole, monkeypatch):
    interrupted(tmp_path, source, monkeypatch)
    journal = tmp_path / "out" / output.JOURNAL
    text = journal.read_text()
    assert {len(json.loads(line)["inputs"]) for line in text.splitlines()} == {32}
    journal.write_text(text[:-20])
    total = len([name for name in whole if name.endswith(".tfrecord")])
    assert written_again(tmp_path, source, monkeypatch) == total - 1
    assert Result(tmp_path / "out").files() == whole


def test_kill_at_any_instant_then_run_again(tmp_path, source, whole):
    key_file(tmp_path)
    command = [
        *(sys.executable, ROOT / "tools" / "dicom_to_tfrecord.py", "--splits=train:1", SMALL),
        *(f"--input={source}", f"--output={tmp_path / 'out'}", "--workers=1", "--max_bad=1"),
        *(f"--key_file={tmp_path / 'key'}", "--text_guard=off"),
    ]
    draw = random.Random(KILLS)
    start = time.monotonic()
    assert subprocess.run(command, capture_output=True, timeout=300).returncode == 4
    length = time.monotonic() - start
    for number in range(KILLS):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if number % 2:
            # Most of the command's time is its start, so every other kill waits for the claim.
            while not (tmp_path / "out" / output.JOURNAL).exists() and run.poll() is None:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.1) * length)
        else:
            time.sleep(draw.uniform(0.1, 1.0) * length)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        # Some are killed several times before they may finish.
        if number % 4 == 3 or number == KILLS - 1:
            assert subprocess.run(command, capture_output=True, timeout=300).returncode == 4
            assert Result(tmp_path / "out").files() == whole


def test_too_many_failures_publish_nothing_and_keep_what_is_finished(
    tmp_path, source, whole, monkeypatch
):
    error = refused(tmp_path, source, "--max_bad=0.02")
    assert error.exit_code == 9
    assert "1 of 48 objects are quarantined, and --max_bad allows 2%" in str(error)
    assert not {manifest.CARD, manifest.MANIFEST} & set(os.listdir(tmp_path / "out"))
    assert (tmp_path / "out" / output.QUARANTINE).read_text().count("truncated") == 1
    # 1 / 48 = 2.1 %
    assert written_again(tmp_path, source, monkeypatch) == 0
    assert Result(tmp_path / "out").files() == whole


def test_strict_publishes_nothing_that_has_a_quarantine(tmp_path, source):
    error = refused(tmp_path, source, "--strict")
    assert error.exit_code == 4 and "--strict allows none" in str(error)
    assert not (tmp_path / "out" / manifest.CARD).exists()
    (tmp_path / "b").mkdir()
    assert convert(tmp_path / "b", source / "1", SMALL, "--strict")[0] == 0


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("kind", ["files", "zip", "tar", "tgz"])
def test_archives_order_and_workers_do_not_change_the_records(
    tmp_path, source, whole, workers, kind
):
    files = list(tree(source).items())
    random.Random(workers).shuffle(files)
    place = tmp_path / "in"
    if kind == "files":
        place.mkdir()
        for number, (_, content) in enumerate(files):
            (place / str(number)).write_bytes(content)
    else:
        WRITERS[kind](dict(files), place)
    code, result = convert(tmp_path, place, SMALL, f"--workers={workers}")
    keyed = {output.AUDIT, output.QUARANTINE}  # these two hold keys of paths
    assert code == 4 and {n: c for n, c in result.files().items() if n not in keyed} == {
        name: content for name, content in whole.items() if name not in keyed
    }
