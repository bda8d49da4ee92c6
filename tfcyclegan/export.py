"""Writes a SavedModel that a model server loads: `python -m tfcyclegan.export`.

The graph takes what a client has, pixels in unit range of any height and width, and does the rest:
range, network (which pads and crops by itself), and range again.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import tensorflow as tf

import tfcyclegan
from tfcyclegan import intensity
from tfcyclegan.checkpoints import load_run
from tfcyclegan.config import ExportConfig, TrainConfig, run
from tfcyclegan.errors import UserError

PARITY = 1e-5
"""Largest difference allowed between the Keras model and the reloaded SavedModel, unit range."""

CARD = pathlib.Path("assets.extra") / "model_card.json"


def main(config: ExportConfig) -> None:
    """Exports a checkpoint as the next version, after a check in a fresh process."""
    model, training, epochs = load_run(config.workdir, config.checkpoint)
    if config.dry_run:
        return
    served = ServedTranslator(model.translator_ab, model.translator_ba)
    version = write_version(pathlib.Path(config.output), served, model_card(training, epochs))
    print(f"exported epoch {epochs} to {version}")


class ServedTranslator(tf.Module):
    """Both generators behind signatures `a_to_b` (also `serving_default`) and `b_to_a`.

    Input and output `image`: float32 [N, H, W, 1], unit range, any H and W of at least 17.

    Args:
        generator_ab: Keras model from domain a to b, model range.
        generator_ba: Keras model from domain b to a.
    """

    IMAGE = tf.TensorSpec([None, None, None, 1], tf.float32, name="image")

    def __init__(self, generator_ab, generator_ba):
        super().__init__(name="tfcyclegan")
        self.generator_ab, self.generator_ba = generator_ab, generator_ba

    @tf.function(input_signature=[IMAGE])
    def a_to_b(self, image):
        return {"image": translate(self.generator_ab, image)}

    @tf.function(input_signature=[IMAGE])
    def b_to_a(self, image):
        return {"image": translate(self.generator_ba, image)}

    def signatures(self) -> dict:
        """Returns the signatures by name, as tf.saved_model.save takes them."""
        forward = self.a_to_b.get_concrete_function()
        return {
            "serving_default": forward,
            "a_to_b": forward,
            "b_to_a": self.b_to_a.get_concrete_function(),
        }


def translate(generator, image: tf.Tensor) -> tf.Tensor:
    """Translates in unit range.

    Args:
        generator: Model in model range, which takes any size.
        image: float32 [N, H, W, 1], unit range; values outside are clipped.

    Returns:
        float32 [N, H, W, 1], unit range.
    """
    translated = generator(
        intensity.unit_to_model(tf.clip_by_value(image, 0.0, 1.0)), training=False
    )
    return tf.clip_by_value(intensity.model_to_unit(translated), 0.0, 1.0)


def model_card(config: TrainConfig, epochs: int) -> dict:
    """Returns what a user of the model must know: how it was made, and what it is not for."""
    described = json.loads((pathlib.Path(config.workdir) / "run.json").read_text())
    return {
        "name": "tfcyclegan",
        "version": tfcyclegan.__version__,
        "domain_a": config.domain_a,
        "domain_b": config.domain_b,
        "epochs": epochs,
        "trained_image_size": config.image_size,
        "dataset_hash": described["dataset_hash"],
        "versions": described["versions"],
        "flags": [
            line
            for line in config.to_flagfile().splitlines()
            if not line.startswith(("--data_dir", "--workdir"))
        ],
        "intended_use": "Research on unpaired translation between MRI sequences.",
        "limits": "Synthetic images can lose or invent lesions. Not for diagnosis.",
    }


def write_version(output: pathlib.Path, served: ServedTranslator, card: dict) -> pathlib.Path:
    """Writes OUTPUT/<next version> beside, checks it in a fresh process, and renames it.

    Raises:
        UserError: The output cannot be written, or the check failed; nothing is left then.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name) for path in output.iterdir() if path.name.isdecimal()]
        version = output / str(max(taken, default=0) + 1)
        beside = output / f".{version.name}.tmp"
        shutil.rmtree(beside, ignore_errors=True)
        tf.saved_model.save(served, str(beside), signatures=served.signatures())
        (beside / CARD).parent.mkdir()
        (beside / CARD).write_text(json.dumps(card, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"--output {output} cannot be written: {error.strerror}. Choose another.", 6
        ) from error
    try:
        check_in_fresh_process(beside, served)
        os.replace(beside, version)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return version


RELOAD = """
import sys, numpy as np, tensorflow as tf
directory, arrays = sys.argv[1:]
probe = np.load(arrays)
model = tf.saved_model.load(directory)
worst = 0.0
for name in ("a_to_b", "b_to_a", "serving_default"):
    made = model.signatures[name](image=tf.constant(probe["image"]))["image"].numpy()
    worst = max(worst, float(np.abs(made - probe[name]).max()))
print(worst)
"""
"""Loads a SavedModel as a stranger would: with TensorFlow alone, without this package."""


def check_in_fresh_process(directory: pathlib.Path, served: ServedTranslator) -> float:
    """Compares the SavedModel, loaded in a new process, with the model in this one.

    Returns:
        The largest absolute difference over all signatures, unit range.

    Raises:
        UserError: It does not load, or differs by more than `PARITY`.
    """
    image = np.random.default_rng(0).uniform(0, 1, (2, 50, 66, 1)).astype(np.float32)
    expected = {"a_to_b": served.a_to_b(image), "b_to_a": served.b_to_a(image)}
    expected["serving_default"] = expected["a_to_b"]
    probe = directory / "probe.npz"
    np.savez(probe, image=image, **{k: v["image"].numpy() for k, v in expected.items()})
    try:
        command = [sys.executable, "-c", RELOAD, str(directory), str(probe)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        probe.unlink()
    if result.returncode:
        raise UserError(f"The exported model does not load: {result.stderr.strip()[-500:]}", 1)
    worst = float(result.stdout.split()[-1])
    if not worst <= PARITY:
        raise UserError(
            f"The exported model differs from the trained one by {worst:.2g}; at most {PARITY:g} is"
            " allowed. Nothing was exported.",
            1,
        )
    return worst


if __name__ == "__main__":
    run(main, ExportConfig)
