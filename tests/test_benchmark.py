"""The benchmark of ingestion converts what it made, and its last line is one JSON object."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_ingest_reports_rates_ratio_speed_up_and_memory():
    command = [sys.executable, ROOT / "tools" / "benchmark.py", "--what=ingest", "--json"]
    command += ["--files=50", "--matrix=64"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    assert (found["what"], found["files"], found["matrix"]) == ("ingest", 50, 64)
    share = found["slices_per_s"] / found["reference_files_per_s"]
    assert abs(found["share_of_reference"] - share) < 0.01
    faster = found["slices_per_s_two_workers"] / found["slices_per_s"]
    assert abs(found["speed_up_two_workers"] - faster) < 0.02
    # An interpreter with NumPy takes tens of MiB, TensorFlow some hundreds, and a GiB is a leak.
    assert 20 < found["peak_rss_mb_worker"] < found["peak_rss_mb_parent"] < 1024
