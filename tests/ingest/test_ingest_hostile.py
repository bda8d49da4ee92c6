"""A decoder that hangs, hoards or is killed costs one object, in the command as it is run.

Decoders run in processes of their own, so the hostile one is put into them by `sitecustomize`,
which every Python process imports when it starts.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from dicom_studies import write_study
from ingest_runs import Result, key_file
from places import ROOT

HOSTILE = """
import os, signal, sys, time
if any(word.endswith("multiprocessing.forkserver import main") or "forkserver" in word
       for word in sys.orig_argv):
    from tfcyclegan.imaging.dicom import pixels
    decode = pixels.decode

    def hostile(blob, *rest):
        if b"HOSTILE HANG" in blob:
            time.sleep(1000)
        if b"HOSTILE MEMORY" in blob:
            hoard = [bytearray(1 << 26) for _ in range(1000)]
        if b"HOSTILE KILL" in blob:
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(blob, *rest)

    pixels.decode = hostile
"""
REASONS = {"HANG": "timeout", "MEMORY": "memory", "KILL": "decoder_crash"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The result of converting three series, each with one slice that its decoder does not bear."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "sitecustomize.py").write_text(HOSTILE)
    for number, what in enumerate(REASONS):
        write_study(folder / "in" / what, f"P{number}")
        path = sorted((folder / "in" / what / "t2").iterdir())[3]
        blob = path.read_bytes()
        path.write_bytes(b"HOSTILE " + what.ljust(120).encode() + blob[128:])
    key_file(folder)
    command = [
        *(sys.executable, ROOT / "tools" / "dicom_to_tfrecord.py", "--splits=train:1"),
        *("--max_bad=0.2", "--text_guard=off"),
        *(f"--input={folder / 'in'}", f"--output={folder / 'out'}", "--workers=2"),
        *(f"--key_file={folder / 'key'}", "--object_timeout_s=5", "--worker_memory_mb=1024"),
    ]
    path = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, timeout=600
    )
    return run, Result(folder / "out")


def test_each_costs_one_object(hostile):
    run, result = hostile
    assert run.returncode == 4, run.stderr
    assert result.reasons == {"": 33, **dict.fromkeys(REASONS.values(), 1)}


def test_the_other_slices_of_the_series_convert(hostile):
    _, result = hostile
    count = {}
    for record in result.records("t2"):
        count.setdefault(record["id/series"], []).append(int(record["geom/slice_index"]))
    assert len(count) == 3 and all(len(found) == 5 for found in count.values())
    assert np.all([r["geom/slice_count"] == 5 for r in result.records("t2")])


def test_nothing_is_told_of_it(hostile):
    run, _ = hostile
    assert b"HOSTILE" not in run.stdout + run.stderr and b"Traceback" not in run.stderr
