"""Whether an exported model gives the trained model's numbers, seen by a process of its own."""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from tfcyclegan.data import intensity, records, slices, windows
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.serving.graph import ServedTranslator
from tfcyclegan.models.serving.sampling import ServedPainter, ServedSampler

PARITY = 1e-5
"""Largest difference allowed between the Keras model and the reloaded SavedModel, unit range."""

RELOAD = """
import sys, numpy as np, tensorflow as tf
directory, arrays = sys.argv[1:]
probe = np.load(arrays)
model = tf.saved_model.load(directory)
inputs = {name: tf.constant(probe[name]) for name in probe.files if "/" not in name}
if "examples" in inputs:
    inputs["examples"] = tf.constant([row.tobytes() for row in probe["examples"]])
worst = 0.0
for name in probe.files:
    if "/" in name:
        signature, kind, output = name.split("/")
        made = model.signatures[signature](**{kind: inputs[kind]})[output].numpy()
        worst = max(worst, float(np.abs(made - probe[name]).max()))
print(worst)
"""
"""Loads a SavedModel as a stranger would: with TensorFlow alone, without this package."""


def check_in_fresh_process(
    directory: pathlib.Path, served: ServedTranslator | ServedSampler | ServedPainter
) -> float:
    """Compares the SavedModel, loaded in a new process, with the Keras model in this one.

    Returns:
        The largest absolute difference over all signatures, unit range.

    Raises:
        UserError: It does not load, or differs by more than `PARITY`.
    """
    with tempfile.TemporaryDirectory() as beside:
        probe = pathlib.Path(beside) / "probe.npz"
        own = isinstance(served, ServedSampler | ServedPainter)
        np.savez(probe, **(served.expectations() if own else expectations(served)))
        command = [sys.executable, "-c", RELOAD, str(directory), str(probe)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(
            f"The exported model does not load: {result.stderr.strip()[-500:]}", ExitCode.FAILED
        )
    worst = float(result.stdout.split()[-1])
    if not worst <= PARITY:
        raise UserError(
            f"The exported model differs from the trained one by {worst:.2g}; at most {PARITY:g} is"
            " allowed. Nothing was exported.",
            ExitCode.FAILED,
        )
    return worst


def expectations(served: ServedTranslator) -> dict[str, np.ndarray]:
    """Returns inputs by kind, and by SIGNATURE/KIND/OUTPUT what Keras and NumPy make of them.

    Windows, decoding and resampling go the way of training here, not that of the graph.
    """
    random = np.random.default_rng(0)
    # No multiple of what a network halves, and at least what the deepest U-Net of this size pads.
    half = max(32, served.image_size // 2)
    image = random.uniform(0, 1, (2, half + 18, half + 34, 1)).astype(np.float32)
    image[:, :12] = 0.0  # air, which a network may treat apart
    volume = random.uniform(0, 900, (2, half + 2, half + 5)).astype(np.float32)
    stored = random.integers(0, 1 << 16, (1, records.SIZE, records.SIZE), np.uint16)
    window = windows.volume_window(volume, percentiles=served.percentiles)
    unit = intensity.scanner_to_unit(volume, window)
    resampled = slices.resample(stored, served.image_size).astype(np.float32)
    sources = {
        "": ("image", image),
        "_volume": ("volume", unit[..., np.newaxis]),
        "_example": ("examples", intensity.stored_to_unit(resampled)[..., np.newaxis]),
    }
    arrays = {"image": image, "volume": volume}
    arrays["examples"] = np.frombuffer(example(stored[0]), np.uint8)[np.newaxis]
    for name, (there, back) in served.ways.items():
        for suffix, (kind, source) in sources.items():
            synthetic = there(source)
            output, shown = (
                ("volume", synthetic[..., 0]) if kind == "volume" else ("image", synthetic)
            )
            arrays[f"{name}{suffix}/{kind}/{output}"] = np.asarray(shown)
            if served.audit:
                residual = np.abs(back(synthetic) - source)
                arrays[f"{name}{suffix}/{kind}/cycle_residual"] = residual
    arrays["serving_default/image/image"] = arrays[f"{next(iter(served.ways))}/image/image"]
    return arrays


def example(stored: np.ndarray) -> bytes:
    """Serializes the one feature of a record that translation reads, from uint16 [SIZE, SIZE]."""
    pixels = tf.train.BytesList(value=[stored.astype("<u2").tobytes()])
    feature = {"image/data": tf.train.Feature(bytes_list=pixels)}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
