"""How fast an exported model translates, in TensorFlow and OpenVINO, beside PyTorch.

Each runtime runs in processes of its own, one runtime at a time and all of them in turn, and its
best call counts, because the speed of a shared machine drifts.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import tensorflow as tf

from tfcyclegan.config import BenchmarkConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.serving.graph import ServedTranslator

BATCH = 8
ROUNDS = 2
CHILD = pathlib.Path(__file__).with_name("runtime.py")


def measure(settings: BenchmarkConfig) -> dict:
    """Times loading, one slice, and slices a second in a batch of 8, of every runtime there is.

    PyTorch runs where --torch_python names a Python that has it; ratios are to PyTorch in eager
    mode. Seconds of the processor stand beside those of the clock: they do not count what other
    programs of the machine take.
    """
    programs = {"tensorflow": sys.executable}
    if importlib.util.find_spec("openvino"):
        programs["openvino"] = sys.executable
    if settings.torch_python:
        programs["torch"] = settings.torch_python
    figures = {name: getattr(settings, name) for name in ("size", "filters", "blocks")}
    figures |= {"batch_size": BATCH, "cores": len(os.sched_getaffinity(0))}
    with tempfile.TemporaryDirectory() as directory:
        export(settings, directory)
        task = {**figures, "batch": BATCH, "steps": settings.steps, "model": directory}
        runs = [
            (name, _run(program, {**task, "runtime": name}))
            for _ in range(ROUNDS)
            for name, program in programs.items()
        ]
    best = {}
    for name, run in runs:
        for key, value in run.items():
            best[f"{name}_{key}"] = round(min(value, best.get(f"{name}_{key}", value)), 4)
    for name in programs:
        figures[f"{name}_slices_per_s"] = round(BATCH / best[f"{name}_seconds_batch"], 4)
        if name != "torch" and "torch" in programs:
            figures |= _ratios(best, name)
    return figures | best


def _ratios(best: dict, name: str) -> dict:
    """Throughput and latency as multiples of PyTorch's, by the clock and by the processor."""
    return {
        f"{name}_{kind}throughput_ratio": round(
            best[f"torch_{kind}seconds_batch"] / best[f"{name}_{kind}seconds_batch"], 3
        )
        for kind in ("", "cpu_")
    } | {
        f"{name}_{kind}latency_ratio": round(
            best[f"{name}_{kind}seconds_one"] / best[f"torch_{kind}seconds_one"], 3
        )
        for kind in ("", "cpu_")
    }


def export(settings: BenchmarkConfig, directory: str) -> None:
    """Writes an untrained model, whose weights cost as much as trained ones."""
    generators = {
        direction: build_generator(
            filters=settings.filters,
            blocks=settings.blocks,
            initializer="normal_0.02",
            seed=seed,
            name=direction,
        )
        for seed, direction in ((0, "a_to_b"), (1000, "b_to_a"))
    }
    served = ServedTranslator(generators, image_size=settings.size)
    tf.saved_model.save(served, directory, signatures=served.signatures())


def _run(program: str, task: dict) -> dict:
    try:
        run = subprocess.run(
            [program, CHILD, json.dumps(task)], stdout=subprocess.PIPE, text=True, check=True
        )
        return json.loads(run.stdout.splitlines()[-1])
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError) as error:
        raise UserError(
            f"{CHILD.name} failed for {task['runtime']}, see above. --torch_python must name a"
            " Python that has PyTorch and NumPy."
        ) from error
