"""How fast whole studies are translated beside the bare network, and how much memory that takes.

A study as DICOM and the same as one NIfTI image go through the command itself, in a process whose
children and memory are watched.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import nibabel
import numpy as np
import pydicom

from tfcyclegan.config import BenchmarkConfig
from tfcyclegan.experiments.benchmark import ingest
from tfcyclegan.experiments.benchmark.translate import export
from tfcyclegan.models.serving.saved_model import CARD

BARE = 40
"""Slices that the bare network is timed with, in batches as the command takes them."""
TIMED = """
import json, pathlib, sys, time
import numpy as np
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data import batches
from tfcyclegan.translation import model, run
count, arguments = int(sys.argv[1]), sys.argv[2:]
settings = TranslateConfig.parse(*arguments)
start = time.perf_counter()
loaded = model.load(settings.model, settings.direction)
loading = time.perf_counter() - start
model.load = lambda *_: loaded
images = np.random.default_rng(0).random((count, loaded.size, loaded.size, 1), np.float32)
def timed(action):
    start = time.perf_counter(), time.process_time()
    result = action()
    return time.perf_counter() - start[0], time.process_time() - start[1], result
def bare():
    return timed(lambda: batches.in_batches(loaded.forward, images))[:2]
bare()
before = bare()
*study, code = timed(lambda: run.run(settings, pathlib.Path(settings.output)))
print()
print(json.dumps({"code": code, "load": loading, "bare": [before, bare()], "study": study}))
"""
"""Times a study without the start of Python and of the model, which no study makes longer; and the
bare network before and after, as the speed of a shared machine drifts."""


def measure(settings: BenchmarkConfig) -> dict:
    """Returns rates, shares of the bare network's rate, and peak memory in MiB, of both forms.

    The memory is the largest sum of the proportional set sizes of all processes.
    """
    figures = {name: getattr(settings, name) for name in ("files", "matrix", "size", "filters")}
    figures |= {"blocks": settings.blocks, "cores": len(os.sched_getaffinity(0))}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        export(settings, str(folder / "model"))
        write_card(folder / "model", settings.size)
        count = settings.files
        ingest.write_files(folder / "dicom", count, settings.matrix, per_series=count)
        write_volume(folder / "dicom", folder / "volume.nii.gz")
        for form, source in (("dicom", "dicom"), ("nifti", "volume.nii.gz")):
            measured = translate(folder, source, settings.files)
            figures |= {f"{form}_{key}": value for key, value in measured.items()}
    return figures


def write_card(model: pathlib.Path, size: int) -> None:
    """Says of an untrained model what translation must know."""
    card = {"domain_a": "t2", "domain_b": "flair", "epochs": 0, "trained_image_size": size}
    (model / CARD).parent.mkdir(exist_ok=True)
    (model / CARD).write_text(json.dumps(card))


def write_volume(dicom: pathlib.Path, path: pathlib.Path) -> None:
    """Writes the slices of a series as one image."""
    paths = sorted(dicom.rglob("*.dcm"))
    voxels = np.stack([pydicom.dcmread(file).pixel_array.T for file in paths], axis=-1)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.5, 0.5, 5.0, 1.0])), path)


def translate(folder: pathlib.Path, source: str, slices: int) -> dict:
    """Translates one study in a process of its own."""
    flags = {"model": folder / "model", "input": folder / source, "output": folder / f"to_{source}"}
    # A large image takes longer than one DICOM file on a slow machine.
    flags |= {"object_timeout_s": 600}
    command = [sys.executable, "-c", TIMED, str(BARE), *(f"--{k}={v}" for k, v in flags.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = watch(process)
        *_, last_line = process.stdout.read().splitlines()
    timings = json.loads(last_line)
    if timings["code"]:
        raise RuntimeError(f"The translation ended with code {timings['code']}.")
    bare, processor = (min(times) / BARE for times in zip(*timings["bare"], strict=True))
    seconds = timings["study"][0] / slices
    return {
        "load_seconds": round(timings["load"], 2),
        "slices_per_s": round(1 / seconds, 3),
        "network_slices_per_s": round(1 / bare, 3),
        "share_of_network": round(bare / seconds, 3),
        "cpu_share_of_network": round(processor * slices / timings["study"][1], 3),
        "peak_mb": peak >> 10,
    }


def watch(process: subprocess.Popen, every_s: float = 0.2) -> int:
    """Returns the largest sum of proportional set sizes, KiB, of a process and its descendants."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_pss(pid) for pid in ingest.family(process.pid)))
        time.sleep(every_s)
    return peak


def _pss(pid: int) -> int:
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it ended in between
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
