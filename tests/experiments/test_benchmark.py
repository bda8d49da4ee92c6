"""Benchmarks measure what they say, and their last line is one JSON object."""

import json
import subprocess
import sys

import pytest
import tensorflow as tf
from forked import finished
from places import ROOT

from tfcyclegan.experiments.benchmark import step

BENCHMARK = str(ROOT / "tools" / "benchmark.py")


def measured(what: str, *flags: str) -> dict:
    code, text = finished(BENCHMARK, f"--what={what}", "--json", *flags)
    assert code == 0, text
    return checked(what, text)


def checked(what: str, text: str) -> dict:
    found = json.loads(text.splitlines()[-1])
    assert found["what"] == what
    return found


def test_ingest_reports_rates_ratio_speed_up_and_memory():
    # A process of its own, not a fork: it tells its peak memory.
    command = [sys.executable, BENCHMARK, "--what=ingest", "--json", "--files=50", "--matrix=64"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = checked("ingest", run.stdout)
    assert (found["files"], found["matrix"]) == (50, 64)
    share = found["slices_per_s"] / found["reference_files_per_s"]
    assert abs(found["share_of_reference"] - share) < 0.01
    faster = found["slices_per_s_two_workers"] / found["slices_per_s"]
    assert abs(found["speed_up_two_workers"] - faster) < 0.02
    # An interpreter with NumPy takes tens of MiB, TensorFlow some hundreds, and a GiB is a leak.
    assert 20 < found["peak_rss_mb_worker"] < found["peak_rss_mb_parent"] < 1024


def test_the_operations_of_a_convolution_and_its_gradients_are_counted():
    image, kernel = tf.ones((2, 9, 7, 3)), tf.ones((4, 4, 3, 5))

    @tf.function
    def run(image, kernel):
        with tf.GradientTape() as tape:
            tape.watch([image, kernel])
            output = tf.nn.conv2d(image, kernel, 2, "SAME")
        return tape.gradient(output, [image, kernel])

    # 5 x 4 output pixels of 2 images, 5 channels each from 4 x 4 x 3 products and sums; 3 times.
    expected = 3 * 2 * (2 * 5 * 4 * 5) * (4 * 4 * 3)
    graph = run.get_concrete_function(image, kernel).graph
    assert step.convolution_flop(graph) == expected


def test_step_reports_its_share_of_a_reference_and_of_the_arithmetic(tmp_path):
    reference = tmp_path / "reference.py"
    reference.write_text(
        "import sys; assert '--identity=0.5' in sys.argv and '--precision=float32' in sys.argv\n"
        'print("noise"); print(\'{"seconds_min": 2.0, "peak_rss_mb": 1000}\')\n'
    )
    flags = ("--size=32", "--filters=4", "--blocks=1", "--steps=2")
    found = measured("step", *flags, f"--reference={sys.executable} {reference}")
    assert found["seconds_min"] <= found["seconds_median"] < found["first_step_seconds"]
    assert abs(found["share_of_reference"] - found["seconds_min"] / 2.0) < 1e-3
    assert abs(found["share_of_reference_memory"] - found["peak_rss_mb"] / 1000) < 1e-3
    arithmetic = found["flop_per_step"] / found["flop_per_s"]
    assert abs(found["share_of_convolution_rate"] - arithmetic / found["seconds_min"]) < 1e-2


def test_epoch_reports_the_share_that_is_not_spent_in_steps():
    found = measured("epoch", "--size=32", "--filters=4", "--blocks=1", "--epoch_steps=10")
    steps = 10 * found["seconds_per_step"]
    beside = 10 * found["seconds_between_steps"] + found["seconds_after_epoch"]
    assert abs(found["share_beside_steps"] - beside / (steps + beside)) < 0.01
    # 400 images are translated and scored after 10 steps of 2 images each.
    assert found["share_beside_steps"] > 0.1


def test_a_reference_that_prints_no_figures_is_an_error():
    code, text = finished(BENCHMARK, "--what=step", "--reference=true")
    assert code > 0 and "error: --reference must be a command" in text


def test_metrics_report_ratios_of_equal_values():
    found = measured("metrics", "--dimension=96", "--size=32", "--steps=1")
    for n in ("660", "5000"):
        ratio = found[f"sqrtm_seconds_{n}"] / found[f"frechet_seconds_{n}"]
        assert found[f"times_faster_{n}"] == pytest.approx(ratio, rel=0.3, abs=1)
        assert found[f"relative_difference_{n}"] < 1e-6
        assert found[f"relative_difference_cached_{n}"] < 1e-6
    assert found["ssim_difference"] < 1e-5


def test_pipeline_reports_two_images_per_example():
    found = measured("pipeline", "--size=32", "--batch_size=4")
    assert abs(found["images_per_s"] - 8 * found["batches_per_s"]) < 1.0


def test_translate_reports_every_runtime_and_its_ratio_to_pytorch(tmp_path, forked_python):
    # A stand-in for PyTorch, which this environment need not have; the ratios are to its figures.
    figures = {"seconds_one": 3.0, "seconds_batch": 16.0, "load_seconds": 1.0}
    figures |= {"cpu_seconds_one": 5.0, "cpu_seconds_batch": 24.0}
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho noise\necho '{json.dumps(figures)}'\n")
    program.chmod(0o755)
    flags = ("--size=32", "--filters=4", "--blocks=1", "--steps=2", f"--torch_python={program}")
    # Starts a process for each runtime, forked as this one is.
    command = [forked_python, BENCHMARK, "--what=translate", "--json", *flags]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = checked("translate", run.stdout)
    assert found["torch_slices_per_s"] == 0.5
    names = [name.removesuffix("_load_seconds") for name in found if name.endswith("load_seconds")]
    assert {"tensorflow", "torch"} <= {*names} <= {"tensorflow", "openvino", "torch"}
    for name in {*names} - {"torch"}:
        ratio = 16.0 / found[f"{name}_seconds_batch"]
        assert found[f"{name}_throughput_ratio"] == pytest.approx(ratio, rel=0.02)
        ratio = found[f"{name}_cpu_seconds_one"] / 5.0
        assert found[f"{name}_cpu_latency_ratio"] == pytest.approx(ratio, abs=1e-3)
        assert 0 < found[f"{name}_seconds_one"] <= found[f"{name}_first_seconds"]


def test_study_reports_rates_beside_the_bare_network_and_memory_of_both_forms():
    found = measured("study", "--files=12", "--matrix=64", "--size=32", "--filters=4", "--blocks=1")
    for form in ("dicom", "nifti"):
        share = found[f"{form}_slices_per_s"] / found[f"{form}_network_slices_per_s"]
        assert found[f"{form}_share_of_network"] == pytest.approx(share, abs=0.01)
        # TensorFlow takes some hundreds of MiB, and so small a study next to nothing.
        assert 200 < found[f"{form}_peak_mb"] < 1500
        assert found[f"{form}_load_seconds"] > 0
