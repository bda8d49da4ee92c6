"""A conversion on an Apache Beam runner writes the bytes that a local one writes."""

import sys

import dicom_studies
import ingest_runs
import pytest

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import convert_volume
from tfcyclegan.privacy.hygiene import Fault

RUNNER = ("--runner=FnApiRunner",)
# Several shards, one of them without any volume that survives.
SHARDS = ("--shard_bytes=1048576", "--splits=train:0.5,val:0.25,test:0.25")


def beam():
    return pytest.importorskip(
        "apache_beam", reason="needs the extra `beam`; `make test-beam` runs this test"
    )


def run(folder, source, *flags):
    folder.mkdir()
    return ingest_runs.convert(folder, source, *flags)


def studies(folder):
    for number in range(5):
        dicom_studies.write_study(folder / f"p{number}", patient=f"PAT{number}", slices=6)
    broken = folder / "p0" / "t2" / "im002.dcm"
    broken.write_bytes(broken.read_bytes()[:-100])
    (folder / "note.txt").write_text("no DICOM")
    return folder


def test_shards_manifest_card_and_reports_are_those_of_a_local_conversion(tmp_path):
    beam()
    source = studies(tmp_path / "in")
    local, local_result = run(tmp_path / "local", source, *SHARDS)
    code, result = run(tmp_path / "beam", source, *SHARDS, *RUNNER)
    assert code == local == ExitCode.QUARANTINED
    assert len(list(result.directory.glob("*.tfrecord"))) >= 4
    assert result.files() == local_result.files()


def test_what_ends_its_worker_ends_neither_the_runner_nor_its_volume(tmp_path, monkeypatch):
    """A decoder that kills is simulated, because no fixture does so reliably."""
    beam()
    from tfcyclegan.ingest.workers import Workers

    deadly = 2

    class Dying(Workers):
        def map(self, function, tasks):
            tasks = list(tasks)
            for task, result in zip(tasks, super().map(function, tasks), strict=True):
                first = function is convert_volume.convert and not task[-1]
                frames = task[0].series.volume.frames if first else task[-1]
                hit = any(getattr(frame, "object_index", None) == deadly for frame in frames)
                yield Fault("decoder_crash") if hit else result

        def one_more(self):
            return Dying(1)

    monkeypatch.setattr("tfcyclegan.ingest.beam.Workers", Dying)
    dicom_studies.write_study(tmp_path / "in")
    code, result = run(tmp_path / "run", tmp_path / "in", *RUNNER)
    assert code == ExitCode.QUARANTINED
    assert result.reasons == {"": 11, "decoder_crash": 1}


def test_an_unknown_runner_is_named_by_its_flag(tmp_path):
    beam()
    dicom_studies.write_study(tmp_path / "in")
    with pytest.raises(UserError, match="--runner must be the name") as caught:
        run(tmp_path / "run", tmp_path / "in", "--runner=NoSuchRunner")
    assert caught.value.exit_code == 2


def test_without_apache_beam_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "tfcyclegan.ingest.beam", raising=False)
    monkeypatch.delattr("tfcyclegan.ingest.beam", raising=False)
    dicom_studies.write_study(tmp_path / "in")
    with pytest.raises(UserError, match="extra `beam`") as caught:
        run(tmp_path / "run", tmp_path / "in", *RUNNER)
    assert caught.value.exit_code == 2
