"""Cases of section F that need a conversion of their own: flags, decoders that hang, changing
files, full disks, locks, keys and mappings.
"""

import fcntl
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
from bad_cases import stored, with_stored
from bad_objects import Study, case, dataset_start
from hanging import MARK, slowed
from ingest_runs import config, convert, key_file
from places import ROOT

from tfcyclegan.data import manifest
from tfcyclegan.errors import UserError
from tfcyclegan.imaging.source import walk as source_walk
from tfcyclegan.ingest import plan, workers
from tfcyclegan.ingest import run as ingest_run


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(tmp_path / "in", 0)


def refused(tmp_path, study, *flags) -> UserError:
    """Converts, and returns what stands in the way; it tells nothing of the input."""
    with pytest.raises(UserError) as caught:
        ingest_run.run(config(tmp_path, study.root, *flags))
    assert "PLANTED" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    return caught.value


@case(7)
def test_bare_data_sets_are_read_by_force(tmp_path, study):
    blobs = [study.blob(8), study.blob(9)]
    study.add("", [blobs[0][132:], blobs[1][dataset_start(blobs[1]) :]])
    code, result = convert(tmp_path, study.root, "--force")
    assert code == 0 and result.reasons == {"": 10}
    assert [int(r["geom/slice_index"]) for r in result.records()] == list(range(10))


@case(36)
@pytest.mark.parametrize("burned", [None, "NO"])
def test_rendered_text_is_suspected(tmp_path, study, burned):
    rng, text = np.random.default_rng(0), np.zeros((160, 160), np.uint8)
    cv2.putText(text, "DOE JOHN", (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    for path in study.folder.iterdir():
        path.unlink()  # drawn by a formula without noise, as text is
    for series, drawn in (("clean", 0), ("text", text.ravel() > 127)):
        images = study.stack(series=series, rows=160, BurnedInAnnotation=burned)
        for dataset in images:
            noisy = np.rint(stored(dataset) + rng.normal(30, 10, 160 * 160)).clip(0)
            with_stored(dataset, np.where(drawn, 1200, noisy).astype(np.int64))
        study.add("", images)
    code, result = convert(tmp_path, study.root, "--text_guard=quarantine")
    assert code == 4 and result.reasons == {"": 8, "burned_in_suspect": 8}


class Slowed(workers.Workers):
    def __init__(self, count, **options):
        super().__init__(count, **{**options, "timeout_s": 6.0})

    def map(self, function, tasks):
        return super().map(slowed, ((function, *task) for task in tasks))

    def one_more(self):
        return Slowed(1)


@case(53)
def test_a_decoder_that_hangs_costs_its_slice(tmp_path, study, monkeypatch):
    study.add("timeout", study.slice(ImageComments=MARK.decode()))
    monkeypatch.setattr(ingest_run, "Workers", Slowed)
    code, result = convert(tmp_path, study.root)
    assert code == 4 and result.reasons == {"": 8, "timeout": 1}


@case(84)
def test_files_that_vanish_or_grow_cost_their_slice(tmp_path, study, monkeypatch):
    study.add("io_error", study.slice(8), b"PLANTED gone")
    study.add("changed_during_read", study.slice(9), b"PLANTED growing")
    walk, make = source_walk.walk, plan.make

    def walk_and_delete(*arguments, **options):
        found = list(walk(*arguments, **options))
        os.unlink(study.files[-2].path)
        return found

    def make_and_grow(*arguments, **options):
        with open(study.files[-1].path, "ab") as file:
            file.write(b"PLANTED")
        return make(*arguments, **options)

    monkeypatch.setattr(source_walk, "walk", walk_and_delete)
    monkeypatch.setattr(plan, "make", make_and_grow)
    code, result = convert(tmp_path, study.root)
    assert code == 4
    assert result.reasons == {"": 8, "io_error": 1, "changed_during_read": 1}


@case(86)
def test_of_a_huge_foreign_file_only_the_head_is_read(tmp_path, study):
    huge = pathlib.Path(os.fsdecode(study.folder)) / "PLANTED huge.img"
    huge.touch()
    os.truncate(huge, 20 << 30)
    (item,) = source_walk.walk([str(huge)])
    before = _bytes_read()
    with pytest.raises(Exception, match="not_dicom"):
        item.read()
    assert _bytes_read() - before < 64 << 10, "the buffer of a file is a few kilobytes"
    code, result = convert(tmp_path, study.root)
    assert code == 0 and result.reasons == {"": 8, "not_dicom": 1}


def _bytes_read() -> int:
    """Returns what this process has read so far, from any file."""
    return int(pathlib.Path("/proc/self/io").read_text().split()[1])


@case(87)
def test_many_files_need_little_memory_each(tmp_path, study):
    for number in range(3000):
        (study.folder / f"PLANTED{number}").touch()
        (study.folder / f"PLANTED dir {number}").mkdir()
        (study.folder / f"PLANTED dir {number}" / "x").touch()
    tracemalloc.start()
    found = list(source_walk.walk([str(study.root)]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 100,000 files stay below 100 MB.
    assert len(found) == 6008 and peak < 1000 * len(found)
    code, result = convert(tmp_path, study.root)
    assert code == 0 and result.reasons == {"": 8, "not_dicom": 6000}


@case(88)
def test_a_full_disk_publishes_nothing_and_the_next_run_finishes(tmp_path, study):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond this, which a disk without space does to all of them.
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        error = refused(tmp_path, study)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert error.exit_code == 6 and "--output cannot be written" in str(error)
    assert not left & {manifest.CARD, manifest.MANIFEST}
    assert not [name for name in left if name.endswith(".tfrecord") or ".tmp-" in name]
    assert convert(tmp_path, study.root)[0] == 0


KILLED_WHERE = """
import os, signal, sys
from unittest import mock
from tools import dicom_to_tfrecord
from tfcyclegan import config
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
with mock.patch("tfcyclegan.ingest." + sys.argv.pop(1), die):
    config.run(dicom_to_tfrecord.main, config.IngestConfig)
"""


@case(89)
def test_a_killed_conversion_is_finished_by_the_next_run(tmp_path, study):
    for series in ("S2", "S3"):
        study.add("", study.stack(series=series))
    (tmp_path / "whole").mkdir()
    _, whole = convert(tmp_path / "whole", study.root)
    key_file(tmp_path)
    flags = [f"--input={study.root}", f"--output={tmp_path / 'out'}", "--workers=1"]
    flags += [f"--key_file={tmp_path / 'key'}", "--splits=train:1", "--text_guard=off"]
    # Before a shard, with one under its temporary name, and with one that the journal lacks.
    for where, left in (
        ("publication.write_shard", ".conversion.json"),
        ("shards._read_back", ".*.tmp-*"),
        ("account.journal.Journal.add", "*.tfrecord"),
    ):
        run = subprocess.run([sys.executable, "-c", KILLED_WHERE, where, *flags], cwd=ROOT)
        assert run.returncode == -signal.SIGKILL and list((tmp_path / "out").glob(left))
        assert not (tmp_path / "out" / manifest.CARD).exists()
    code, result = convert(tmp_path, study.root)
    assert code == 0 and result.files() == whole.files()


@case(90)
def test_a_second_run_at_the_same_time_is_refused(tmp_path, study):
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = refused(tmp_path, study)
    assert error.exit_code == 8 and "in use by another process" in str(error)


@case(91)
@pytest.mark.parametrize(("size", "mode"), [(0, 0o600), (31, 0o600), (32, 0o644), (32, 0o640)])
def test_a_short_or_readable_key_is_refused(tmp_path, study, size, mode):
    key_file(tmp_path, bytes(size)).chmod(mode)
    error = refused(tmp_path, study)
    assert error.exit_code == 2 and "--key_file must" in str(error)
    assert not (tmp_path / "out").exists()


@case(91)
def test_a_key_that_can_neither_be_read_nor_made_is_refused(tmp_path, study):
    error = refused(tmp_path, study, f"--key_file={tmp_path / 'nowhere' / 'key'}")
    assert error.exit_code == 2 and not (tmp_path / "out").exists()


@case(92)
@pytest.mark.parametrize("wrong", [{"series_key": "0" * 32}, {"user_class": "PLANTED"}])
def test_a_wrong_mapping_is_refused_by_its_row(tmp_path, study, wrong):
    _, result = convert(tmp_path, study.root)
    row = {"series_key": result.series[0]["series_key"], "user_class": "flair", **wrong}
    text = f"series_key,user_class\r\n{row['series_key']},{row['user_class']}\r\n"
    (tmp_path / "PLANTED.csv").write_text("\ufeff" + text, newline="")
    flags = f"--mapping={tmp_path / 'PLANTED.csv'}", f"--output={tmp_path / 'again'}"
    error = refused(tmp_path, study, *flags)
    assert error.exit_code == 2 and "--mapping, row 2" in str(error)
