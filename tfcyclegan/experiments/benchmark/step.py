"""How long a training step takes, beside its arithmetic and beside another implementation.

Networks, losses and optimizers are those that `tfcyclegan.train` builds; images are random.
"""

import json
import os
import resource
import shlex
import subprocess
import time

import keras
import tensorflow as tf

from tfcyclegan.config import BenchmarkConfig, TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.build import build_model
from tfcyclegan.models.networks.convolution import PaddedConv2D
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.training.setup import make_deterministic

RATE_SECONDS = 2.0
"""Shortest time over which the rate of the convolution is measured."""
KERNEL_AND_PIXELS = {
    "Conv2D": (1, 2),
    "Conv2DBackpropInput": (1, 2),
    "Conv2DBackpropFilter": (3, 2),
}
"""Where a convolution's kernel and its output, or the gradient by it, are among its tensors."""
SHARED = ("size", "filters", "blocks", "identity", "precision", "batch_size")


def measure(settings: BenchmarkConfig) -> dict:
    """Times the step, the convolution that dominates it, and the reference if one is named.

    The reference runs before and after, in processes of its own, and its best step counts, because
    the speed of a shared machine drifts.
    """
    before = _reference(settings)
    figures = _steps(settings)
    figures["flop_per_s"] = convolution_rate(settings)
    seconds = figures["flop_per_step"] / figures["flop_per_s"]
    figures["share_of_convolution_rate"] = round(seconds / figures["seconds_min"], 3)
    if before:
        after = _reference(settings)
        seconds = min(before["seconds_min"], after["seconds_min"])
        memory = before["peak_rss_mb"]  # a child's peak starts with what its parent holds by then
        figures |= {
            "reference_seconds_min": seconds,
            "reference_peak_rss_mb": memory,
            "share_of_reference": round(figures["seconds_min"] / seconds, 3),
            "share_of_reference_memory": round(figures["peak_rss_mb"] / memory, 3),
        }
    about = {name: getattr(settings, name) for name in SHARED}
    return about | {"cores": len(os.sched_getaffinity(0))} | figures


def _steps(settings: BenchmarkConfig) -> dict:
    model = built(settings)
    shape = (settings.batch_size, settings.size, settings.size, 1)
    images = tuple(tf.tanh(tf.random.stateless_normal(shape, [0, i])) for i in range(2))
    start = time.perf_counter()
    step = tf.function(model.train_step).get_concrete_function(images)
    traced = time.perf_counter()
    step(images)
    first_done = time.perf_counter()
    times = sorted(_seconds(lambda: step(images)) for _ in range(settings.steps))
    return {
        "flop_per_step": convolution_flop(step.graph),
        "trace_seconds": round(traced - start, 2),
        "first_step_seconds": round(first_done - start, 2),
        "seconds_min": round(times[0], 4),
        "seconds_median": round(times[len(times) // 2], 4),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def built(settings: BenchmarkConfig) -> TranslationModel:
    """Returns the compiled model of the least-squares objective with the cycle weight 10."""
    keras.utils.set_random_seed(0)
    make_deterministic()
    keras.config.set_dtype_policy(settings.precision)
    return build_model(run_config(settings))


def run_config(settings: BenchmarkConfig, *flags: str) -> TrainConfig:
    """Returns the flags of a training run like that of the benchmark, and further ones."""
    shared = {
        "data_dir": "none",
        "workdir": "none",
        "image_size": settings.size,
        "generator_filters": settings.filters,
        "discriminator_filters": settings.filters,
        "generator_blocks": settings.blocks,
        "adversarial_loss": "lsgan",
        "batch_size": settings.batch_size,
        "identity_weight": settings.identity,
        "precision": settings.precision,
    }
    return TrainConfig.parse(*(f"--{name}={value}" for name, value in shared.items()), *flags)


def convolution_flop(graph: tf.Graph) -> int:
    """Returns the floating point operations of a graph's convolutions and their gradients.

    Each of the three needs two operations (multiply, add) for every weight at every output pixel.
    Functions count as often as they are called, and matrix products as what they are, because
    `convolution` writes gradients as such.
    """
    total = 0
    for op in graph.get_operations():
        if op.type == "PartitionedCall":
            total += convolution_flop(graph._get_function(op.get_attr("f").name).graph)
        elif op.type == "MatMul":
            rows, columns = op.outputs[0].shape
            summed = op.inputs[0].shape.num_elements() // rows
            total += 2 * rows * columns * summed
        elif op.type in KERNEL_AND_PIXELS:
            kernel, pixels = (_tensors(op)[i] for i in KERNEL_AND_PIXELS[op.type])
            total += 2 * pixels.shape[:3].num_elements() * kernel.shape.num_elements()
    return total


def _tensors(op: tf.Operation) -> list[tf.Tensor]:
    return [*op.inputs, *op.outputs]


def convolution_rate(settings: BenchmarkConfig) -> float:
    """Returns the operations per second of a residual block's convolution with its gradients.

    Its size is that of the step: the generator's quarter of the image, real images of both kinds
    in one batch.
    """
    side, channels = settings.size // 4, 4 * settings.filters
    batch = settings.batch_size * (2 if settings.identity else 1)
    image = tf.random.normal((batch, side + 2, side + 2, channels))
    layer = PaddedConv2D(channels, 3)
    layer.build(image.shape)
    image = tf.cast(image, layer.compute_dtype)

    @tf.function
    def run(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            output = layer(image)
        return tape.gradient(output, [image, layer.kernel], output_gradients=output)

    flop = convolution_flop(run.get_concrete_function(image).graph)
    run(image)
    times = []
    while sum(times) < RATE_SECONDS:
        times.append(_seconds(lambda: run(image)))
    return flop / min(times)


def _seconds(action) -> float:
    start = time.perf_counter()
    # Reading a result waits for it, also where work is queued on a device.
    tf.nest.map_structure(lambda tensor: tensor.numpy(), action())
    return time.perf_counter() - start


def _reference(settings: BenchmarkConfig) -> dict:
    if not settings.reference:
        return {}
    precision = settings.precision.removeprefix("mixed_")
    shared = {name: getattr(settings, name) for name in ("size", "filters", "blocks", "identity")}
    flags = {**shared, "precision": precision, "steps": settings.steps}
    command = shlex.split(settings.reference) + [f"--{k}={v}" for k, v in flags.items()]
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(run.stdout.splitlines()[-1])
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError) as error:
        raise UserError(
            "--reference must be a command whose last line is a JSON object. It failed or printed"
            " none; run it by hand to see why."
        ) from error
