"""How fast conversion is beside a bare read of the same files, and how much memory it takes.

Uncompressed files with private elements of the size that scanners write (spec: 512 x 512, 72 KB)
are converted by the command itself, in a process whose children and memory are watched.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from tfcyclegan.config import BenchmarkConfig

SLICES = 25
"""Files of one series."""
PRIVATE_BYTES = 72 << 10
TIMED = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["CUDA_VISIBLE_DEVICES"] = "3", "-1"
import tensorflow
from tfcyclegan.config import IngestConfig
from tfcyclegan.ingest import run
settings = IngestConfig.parse(*sys.argv[1:])
start = time.perf_counter()
code = run.run(settings)
print("\\n", code, time.perf_counter() - start)
"""
"""Times a conversion without the start of Python and TensorFlow, which no archive makes longer."""


def measure(settings: BenchmarkConfig) -> dict[str, float]:
    """Makes the files, converts them three times, and returns the figures.

    The single core of the first conversion is shared by parent and worker.
    """
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder / "dicom", settings.files, settings.matrix)
        (folder / "key").write_bytes(bytes(range(32)))
        (folder / "key").chmod(0o600)
        reference = bare_reading(folder / "dicom", cores[0])
        one_worker = convert(folder, cores[:1], 1)
        two_workers = convert(folder, cores[:2], 2)
    rates = {"reference": reference, "one": one_worker["rate"], "two": two_workers["rate"]}
    return {
        "files": settings.files,
        "matrix": settings.matrix,
        "cores": len(cores),
        "reference_files_per_s": round(rates["reference"], 1),
        "slices_per_s": round(rates["one"], 1),
        "share_of_reference": round(rates["one"] / rates["reference"], 3),
        "slices_per_s_two_workers": round(rates["two"], 1),
        "speed_up_two_workers": round(rates["two"] / rates["one"], 2),
        "peak_rss_mb_parent": max(one_worker["parent_mb"], two_workers["parent_mb"]),
        "peak_rss_mb_worker": max(one_worker["worker_mb"], two_workers["worker_mb"]),
    }


def write_files(folder: pathlib.Path, files: int, matrix: int, per_series: int = SLICES) -> None:
    """Writes `files` images of heads that differ in every file, so many to a series."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : matrix * 1j, -1 : 1 : matrix * 1j]
    head = 900 * (x**2 / 0.6 + y**2 / 0.8 < 1) + 200 * np.sin(9 * x) * np.cos(7 * y)
    noise = rng.normal(100, 20, (matrix, 2 * matrix))
    private = rng.bytes(PRIVATE_BYTES)
    for number in range(files):
        series, index = divmod(number, per_series)
        shift = number % matrix
        pixels = np.clip(head + noise[:, shift : shift + matrix], 0, None).astype("<u2")
        path = folder / f"{series:05d}" / f"{index:04d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        _image(series, index, pixels, private).save_as(path, enforce_file_format=True)


def _image(series: int, index: int, pixels: np.ndarray, private: bytes) -> Dataset:
    study = f"2.25.{series + 1}"
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = f"{study}.1.{index}"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = study, f"{study}.1"
    image.FrameOfReferenceUID, image.PatientID = f"{study}.2", f"P{series:06d}"
    image.Modality, image.ImageType = "MR", ["ORIGINAL", "PRIMARY", "M"]
    image.ScanningSequence, image.EchoTrainLength = "SE", 15
    image.EchoTime, image.RepetitionTime = 99, 6000
    image.Manufacturer, image.MagneticFieldStrength = "SIEMENS", 3
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation, image.PixelSpacing = 0, [240 / len(pixels)] * 2
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.ImagePositionPatient = [-120, -120, 5 * index]
    image.SliceThickness, image.InstanceNumber = 4, index + 1
    block = image.private_block(0x0029, "TFCYCLEGAN BENCHMARK", create=True)
    block.add_new(0x10, "OB", private)
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OW"
    return image


def bare_reading(folder: pathlib.Path, core: int) -> float:
    """Returns files per second of `dcmread` and `pixel_array` alone, on one core, cache warm."""
    before = os.sched_getaffinity(0)
    paths = sorted(folder.rglob("*.dcm"))
    os.sched_setaffinity(0, {core})
    try:
        start = time.perf_counter()
        for path in paths:
            _ = pydicom.dcmread(path).pixel_array
        return len(paths) / (time.perf_counter() - start)
    finally:
        os.sched_setaffinity(0, before)


def convert(folder: pathlib.Path, cores: list[int], workers: int) -> dict[str, float]:
    """Converts all files by `workers` on `cores`, and returns rate and peak memory.

    Returns:
        rate in slices per second; parent_mb and worker_mb, the largest resident size in MiB of the
        parent and of any worker.
    """
    flags = {
        "input": folder / "dicom",
        "output": folder / f"records{workers}",
        "key_file": folder / "key",
        "workers": workers,
    }
    command = [sys.executable, "-c", TIMED, *(f"--{k}={v}" for k, v in flags.items())]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    ) as process:
        peaks = watch(process)
        code, seconds = process.stdout.read().splitlines()[-1].split()
    if code != "0":
        raise RuntimeError(f"The conversion ended with code {code}.")
    files = sum(1 for _ in (folder / "dicom").rglob("*.dcm"))
    parent = peaks.pop(process.pid)
    return {
        "rate": files / float(seconds),
        "parent_mb": parent >> 10,
        "worker_mb": max(peaks.values()) >> 10,
    }


def watch(process: subprocess.Popen, every_s: float = 0.1) -> dict[int, int]:
    """Returns the peak resident size in KiB of a process and of each of its descendants."""
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in family(process.pid):
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue  # it ended in between
            lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
            if lines:
                peaks[pid] = max(peaks.get(pid, 0), int(lines[0].split()[1]))
        time.sleep(every_s)
    return peaks


def family(pid: int) -> list[int]:
    """Returns a process and its descendants."""
    pids = [pid]
    for member in pids:
        with contextlib.suppress(OSError):  # it ended in between
            for task in pathlib.Path(f"/proc/{member}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
    return pids
