"""The batch script of docs/distributed.md, with programs that stand in for Slurm's.

`scontrol` lists nodes. `srun` starts a task for each of them, all on this machine: it reads the
address that the script gives a node, and puts a free port of loopback in its place.
"""

import contextlib
import csv
import json
import os
import pathlib
import signal
import stat
import subprocess
import sys

import pytest
from forked import DEADLINE_S
from places import ROOT
from printed_commands import code_blocks
from tiny_runs import TINY_NETWORKS
from worker_processes import free_ports

SMALL = (
    *TINY_NETWORKS,
    *("--epochs=1", "--decay_start_epoch=1", "--steps_per_epoch=2"),
)
JOB = 54321
PORT = 24321
"""20000 + JOB % 10000, as the script has it."""

SCONTROL = """#!{python}
import os, sys
assert sys.argv[1:] == ["show", "hostnames", os.environ["SLURM_JOB_NODELIST"]], sys.argv
print(*(f"node{{i}}" for i in range(int(os.environ["SLURM_NTASKS"]))), sep="\\n")
"""
SRUN = """#!{python}
import os, subprocess, sys
kill, *command = sys.argv[1:]
assert kill == "--kill-on-bad-exit=1", kill
ports = {ports}
expected = ",".join(f'"node{{i}}:{port}"' for i in range(len(ports)))
assert os.environ["WORKERS"] == expected, os.environ["WORKERS"]
os.environ["WORKERS"] = ",".join(f'"localhost:{{port}}"' for port in ports)
tasks = [
    subprocess.Popen(command, env={{**os.environ, "SLURM_PROCID": str(i)}})
    for i in range(len(ports))
]
sys.exit(any([task.wait() for task in tasks]))
"""
PYTHON = """#!/bin/sh
exec {python} "$@" {flags}
"""


def script() -> str:
    (found,) = [b for b in code_blocks(ROOT / "docs" / "distributed.md") if b.startswith("#!")]
    return found


def install(directory: pathlib.Path, **programs: str) -> None:
    directory.mkdir()
    for name, text in programs.items():
        path = directory / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize("nodes", [1, 2])
def test_the_slurm_script_trains_on_its_nodes(nodes, dataset, tmp_path, forked_python):
    values = {"python": sys.executable, "ports": free_ports(nodes), "port": PORT}
    install(
        tmp_path / "bin",
        scontrol=SCONTROL.format(**values),
        srun=SRUN.format(**values),
        python=PYTHON.format(python=forked_python, flags=" ".join(SMALL)),
    )
    (tmp_path / "records").symlink_to(dataset)
    slurm = {
        "SLURM_JOB_ID": str(JOB),
        "SLURM_JOB_NODELIST": f"node[0-{nodes - 1}]",
        "SLURM_NTASKS": str(nodes),
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    job = subprocess.Popen(
        ["bash", "-c", script()], cwd=ROOT, env={**os.environ, **slurm}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        printed, _ = job.communicate(timeout=DEADLINE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode == 0, printed
    assert printed.count(f"{nodes} replica(s)") == nodes
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["deterministic"] is True
