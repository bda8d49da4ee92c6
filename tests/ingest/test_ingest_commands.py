"""What a user meets: exit codes, messages, repeated and interrupted runs, damaged inputs."""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pydicom
import pytest
from dicom_studies import save, stack, write_stack, write_study
from ingest_runs import Result, config, convert, key_file
from places import ROOT

from tfcyclegan.config import IngestConfig
from tfcyclegan.data import manifest
from tfcyclegan.errors import UserError
from tfcyclegan.ingest import convert_volume
from tfcyclegan.ingest import run as ingest_run
from tfcyclegan.ingest import workers as ingest_workers
from tfcyclegan.privacy.hygiene import Fault


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    return folder


def refused(folder, source, *flags) -> UserError:
    with pytest.raises(UserError) as caught:
        ingest_run.run(config(folder, source, *flags))
    assert str(folder) not in str(caught.value), "paths may hold identifiers"
    return caught.value


def test_a_missing_input_is_named_by_its_place(tmp_path, study):
    error = refused(tmp_path, f"{study},{tmp_path / 'DOE_JOHN'}")
    assert error.exit_code == 5 and "--input: entry 2 of 2 does not exist" in str(error)
    assert not (tmp_path / "out").exists()


def test_an_empty_input_is_nothing_to_convert(tmp_path):
    (tmp_path / "in").mkdir()
    error = refused(tmp_path, tmp_path / "in")
    assert error.exit_code == 3 and "--input holds no files" in str(error)


def test_an_input_without_t2_or_flair_leaves_reports_and_no_card(tmp_path):
    write_stack(tmp_path / "in", sequence="t1")
    error = refused(tmp_path, tmp_path / "in")
    result = Result(tmp_path / "out")
    assert error.exit_code == 3 and "series.csv" in str(error)
    assert result.reasons == {"other_sequence": 6} and result.series[0]["proposed"] == "t1"
    assert not (result.directory / manifest.CARD).exists()
    write_study(tmp_path / "in")
    assert convert(tmp_path, tmp_path / "in", "--min_foreground=0.01")[0] == 0, "other flags do"


def test_an_output_that_cannot_be_written(tmp_path, study):
    (tmp_path / "out").write_text("a file")
    error = refused(tmp_path, study)
    assert error.exit_code == 6 and "--output must be a directory" in str(error)


def test_an_output_below_a_file(tmp_path, study):
    (tmp_path / "file").write_text("")
    error = refused(tmp_path, study, f"--output={tmp_path / 'file' / 'out'}")
    assert error.exit_code == 6 and "--output cannot be written" in str(error)


def test_a_key_inside_the_output_is_refused(tmp_path, study):
    error = refused(tmp_path, study, f"--key_file={tmp_path / 'out' / 'key'}")
    assert error.exit_code == 2 and "--key_file must lie outside --output" in str(error)


def test_a_key_in_no_directory_is_refused(tmp_path, study):
    error = refused(tmp_path, study, f"--key_file={tmp_path / 'nowhere' / 'key'}")
    assert error.exit_code == 2 and "in a directory that exists" in str(error)


def test_foreign_files_in_the_output_are_left_alone(tmp_path, study):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("years of work")
    error = refused(tmp_path, study)
    assert error.exit_code == 8 and "holds 1 file(s) or directories that no" in str(error)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize("change", ["flag", "key"])
def test_shards_of_another_configuration_or_key_are_not_mixed(tmp_path, study, change):
    assert convert(tmp_path, study)[0] == 0
    before = Result(tmp_path / "out").files()
    if change == "key":
        key_file(tmp_path, bytes(32))
    error = refused(tmp_path, study, *(["--min_foreground=0.02"] if change == "flag" else []))
    assert error.exit_code == 8 and "another configuration, key or version" in str(error)
    assert Result(tmp_path / "out").files() == before


def test_a_second_conversion_at_the_same_time_is_refused(tmp_path, study):
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = refused(tmp_path, study)
        assert (tmp_path / "out" / ".lock").exists(), "the lock belongs to the other conversion"
    assert error.exit_code == 8 and "in use by another process" in str(error)


def test_converting_again_gives_the_same_bytes(tmp_path, study):
    _, result = convert(tmp_path, study, "--qa_sheet=1")
    before = result.files()
    _, again = convert(tmp_path, study, "--qa_sheet=1")
    assert again.files() == before and ".lock" not in before and ".conversion.json" not in before


def test_more_patients_leave_no_old_shards_behind(tmp_path, study):
    shutil.copytree(study, tmp_path / "in")
    flags = ("--shard_bytes=1048576",)
    convert(tmp_path, tmp_path / "in", *flags)
    for number in range(4):
        write_study(tmp_path / "in" / str(number), f"NEW{number}")
    code, result = convert(tmp_path, tmp_path / "in", *flags)
    listed = {shard.shard for shard in manifest.read(result.directory)}
    assert code == 0 and listed == {p.name for p in result.directory.glob("*.tfrecord")}


def test_names_order_and_workers_do_not_change_the_records(tmp_path, study):
    files = [path for path in sorted(study.rglob("*")) if path.is_file()]
    random.Random(1).shuffle(files)
    (tmp_path / "in").mkdir()
    for number, path in enumerate(files):
        shutil.copy(path, tmp_path / "in" / f"{number:03d}")
    outputs = []
    for name, source, workers in (("a", study, 1), ("b", tmp_path / "in", 3)):
        (tmp_path / name).mkdir()
        _, result = convert(tmp_path / name, source, f"--workers={workers}")
        outputs.append({n: c for n, c in result.files().items() if n != "audit.jsonl"})
    assert outputs[0] == outputs[1]


def test_dry_run_shows_the_plan_and_writes_nothing(tmp_path, study, capsys):
    made = config(tmp_path, study, "--dry_run", f"--key_file={tmp_path / 'new'}")
    assert ingest_run.run(made) == 0
    shown = capsys.readouterr()
    assert "would write 2 shard(s) from 2 series" in shown.out
    assert "--key_file does not exist yet" in shown.err
    assert not (tmp_path / "out").exists() and not (tmp_path / "new").exists()


def test_dry_run_writes_the_form_for_mapping_and_never_over_a_conversion(tmp_path, study, capsys):
    made = config(tmp_path, study)
    assert ingest_run.run(config(tmp_path, study, "--dry_run")) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["series.csv"]
    proposed = (tmp_path / "out" / "series.csv").read_bytes()
    assert ingest_run.run(made) == 0
    assert (tmp_path / "out" / "series.csv").read_bytes() == proposed
    (tmp_path / "out" / "series.csv").write_text("edited")
    assert ingest_run.run(config(tmp_path, study, "--dry_run")) == 0
    assert "--output is in use" in capsys.readouterr().err
    assert (tmp_path / "out" / "series.csv").read_text() == "edited"


def test_dry_run_shows_no_paths(tmp_path, study):
    text = config(tmp_path, study).to_flagfile()
    assert str(tmp_path) not in text and "# --input is not shown" in text
    assert "--min_foreground=0.05" in text


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--splits=train:0.5", "add up to 1"),
        ("--name=My Set", "--name is 1 to 20"),
        ("--plane=diagonal", "should be one of"),
        ("--min_foreground=2", "--min_foreground"),
        ("--input=a,,b", "--input has an empty entry"),
    ],
)
def test_wrong_flags_are_explained(flag, message):
    with pytest.raises(UserError, match=message) as caught:
        IngestConfig.parse("--input=i", "--output=o", "--key_file=k", flag)
    assert caught.value.exit_code == 2


def test_a_split_without_patients_is_warned_about(tmp_path, study, capsys):
    code, _ = convert(tmp_path, study, "--splits=train:0.98,val:0.01,test:0.01")
    shown = capsys.readouterr().out
    assert code == 0 and shown.count("got no patient. Give it a larger share in --splits") == 2


def test_patients_keep_to_their_split(tmp_path):
    for number in range(12):
        write_study(
            tmp_path / "in" / str(number),
            f"P{number}",
            rows=16,
            columns=16,
            spacing=(10, 10),
            slices=5,
        )
    code, result = convert(tmp_path, tmp_path / "in", "--splits=train:0.5,val:0.25,test:0.25")
    shards = manifest.read(result.directory)
    homes = {}
    for shard in shards:
        for patient in shard.patients:
            homes.setdefault(patient, set()).add(shard.split)
    assert code == 0 and len(homes) == 12 and {len(h) for h in homes.values()} == {1}
    assert {shard.split for shard in shards} == {"train", "val", "test"}


def damaged(study, tmp_path, number, damage):
    shutil.copytree(study, tmp_path / "in")
    path = sorted((tmp_path / "in" / "t2").iterdir())[number]
    path.write_bytes(damage(path.read_bytes()))
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda blob: blob[:-100], "truncated"),
        (lambda blob: blob[:600], "truncated"),
        (lambda blob: blob[:132], "no_dataset"),
    ],
)
def test_one_bad_file_costs_one_slice(tmp_path, study, damage, reason):
    code, result = convert(tmp_path, damaged(study, tmp_path, 2, damage))
    assert code == 4 and result.reasons == {"": 11, reason: 1}
    assert len(result.records("t2")) == 5 and len(result.records("flair")) == 6
    (row,) = result.lines("quarantine.jsonl")
    assert row["reason"] == reason and len(row["file_key"]) == 32


def test_an_undecodable_slice_costs_one_slice(tmp_path, study):
    images = stack(slices=6, BitsStored=12, HighBit=11)
    for number, dataset in enumerate(images):
        dataset.compress(pydicom.uid.JPEG2000Lossless, encoding_plugin="pylibjpeg")
        if number == 3:
            dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4fnonsense" * 30])
        (tmp_path / "in").mkdir(exist_ok=True)
        pydicom.dcmwrite(tmp_path / "in" / f"{number}", dataset, enforce_file_format=True)
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 4 and result.reasons == {"": 5, "decode_error": 1}
    assert [int(r["geom/slice_index"]) for r in result.records()] == [0, 1, 2, 3, 4]


def test_a_copy_is_skipped_and_a_rival_is_quarantined(tmp_path, study):
    shutil.copytree(study, tmp_path / "in")
    first, second, *_ = sorted((tmp_path / "in" / "t2").iterdir())
    shutil.copy(first, tmp_path / "in" / "copy")
    rival = pydicom.dcmread(second)
    rival.PixelData = rival.PixelData[::-1]
    save(rival, tmp_path / "in" / "rival")
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 4
    assert result.reasons == {"": 11, "duplicate_exact": 1, "duplicate_conflict": 2}


def test_a_damaged_twin_does_not_cost_the_intact_one(tmp_path, study):
    shutil.copytree(study, tmp_path / "in")
    first = sorted((tmp_path / "in" / "t2").iterdir())[0]
    (tmp_path / "in" / "twin").write_bytes(first.read_bytes()[:-50])
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 4 and result.reasons == {"": 12, "truncated": 1}


def test_a_constant_volume_is_quarantined_and_the_rest_converts(tmp_path, study):
    shutil.copytree(study, tmp_path / "in")
    write_stack(tmp_path / "in" / "flat", series="flat", values=lambda p: 0 * p[..., 0] + 7)
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 4 and result.reasons == {"": 12, "empty_volume": 6}


def test_a_missing_slice_is_noted_and_never_filled(tmp_path, study):
    shutil.copytree(study, tmp_path / "in")
    sorted((tmp_path / "in" / "t2").iterdir())[3].unlink()
    code, result = convert(tmp_path, tmp_path / "in")
    notes = {row["proposed"]: row["note"] for row in result.series}
    assert code == 0 and notes == {"t2": "gap", "flair": ""}
    assert [float(r["geom/slice_pos_mm"]) for r in result.records("t2")] == [0, 6, 12, 24, 30]


def test_a_file_that_ends_its_worker_costs_one_slice(tmp_path, study, monkeypatch):
    """A decoder that kills is simulated, because no fixture does so reliably."""
    deadly = 2

    class Dying(ingest_workers.Workers):
        def map(self, function, tasks):
            for task, result in zip(
                tasks := list(tasks), super().map(function, tasks), strict=True
            ):
                kills = function is convert_volume.convert and not task[-1]
                probes = function is convert_volume.probe
                frames = task[0].series.volume.frames if kills else task[-1] if probes else []
                hit = any(frame.object_index == deadly for frame in frames)
                yield Fault("decoder_crash") if hit else result

        def one_more(self):
            return Dying(1)

    monkeypatch.setattr(ingest_run, "Workers", Dying)
    code, result = convert(tmp_path, study)
    assert code == 4 and result.reasons == {"": 11, "decoder_crash": 1}


def test_an_interrupt_leaves_nothing_half_written_and_the_next_run_finishes(tmp_path):
    for number in range(8):
        write_study(
            tmp_path / "in" / str(number),
            f"P{number}",
            rows=96,
            columns=96,
            spacing=(2, 2),
            slices=24,
            gap=5,
        )
    key_file(tmp_path)
    command = [
        *(sys.executable, ROOT / "tools" / "dicom_to_tfrecord.py", "--splits=train:1"),
        "--text_guard=off",
        *(f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}", "--workers=1"),
        *(f"--key_file={tmp_path / 'key'}",),
    ]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "out" / ".conversion.json").exists() and run.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(run.pid, signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130 and b"Interrupted" in err
    assert not (tmp_path / "out" / manifest.CARD).exists()
    assert not [p for p in (tmp_path / "out").iterdir() if ".tmp-" in p.name]
    code, result = convert(tmp_path, tmp_path / "in")
    assert code == 0
    shards = manifest.read(result.directory)
    manifest.verify(result.directory, shards)
