"""An exported model, read back: a function of each direction, and what its card says.

Needs neither networks nor what trains them, whose imports take longer than loading a small model.
"""

import json
import pathlib

import tensorflow as tf

from tfcyclegan.data import windows
from tfcyclegan.data.training_slices import NO_PAIRS
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models import translators

DOMAINS = ("a", "b")
CARD = pathlib.Path("assets.extra") / "model_card.json"


def load(directory: pathlib.Path) -> tuple[dict[str, translators.Translator], dict]:
    """Returns the translators of an exported model and what its card says of it.

    Args:
        directory: Of a version.

    Raises:
        UserError: It holds no exported model.
    """
    card = directory / CARD
    if not (directory / "saved_model.pb").is_file() or not card.is_file():
        raise UserError(
            "--model must be a version directory that python -m tfcyclegan.export wrote, with"
            f" saved_model.pb and {CARD}. Received: {directory}.",
            ExitCode.MISSING,
        )
    described = json.loads(card.read_text())
    loaded = tf.saved_model.load(str(directory))

    def translator(name: str) -> translators.Translator:
        return lambda images: loaded.signatures[name](image=images)["image"]

    def sampler(name: str) -> translators.Sampler:
        made = loaded.signatures[f"sample_{name[-1]}"]
        return translators.in_parts(lambda numbers: made(seed=numbers)["image"])

    def painter(name: str) -> translators.Sampler:
        made, channel = loaded.signatures["label_to_images"], DOMAINS.index(name[-1])

        def image(labels: tf.Tensor) -> tf.Tensor:
            return made(label=labels)["image"][..., channel : channel + 1]

        return translators.in_parts(image, tf.float32)

    description = {
        "title": described.get("model", ""),
        "kind": described.get("kind", "translator"),
        "cycled": described.get("cycled", True),
        "domain_a": described["domain_a"],
        "domain_b": described["domain_b"],
        "image_size": described["trained_image_size"],
        "epochs": described["epochs"],
        "window_percentiles": windows.percentiles_in(described),
        "train_split": "train",
        "trained_on": described.get("dataset_hash"),
        "folds": described.get("folds", 0),
        "fold": described.get("fold", 0),
        "drop_lesions": described.get("drop_lesions", "none"),
        "trained_on_pairs": described.get("trained_on_pairs", NO_PAIRS),
    }
    directions = described.get("directions", translators.DIRECTIONS)
    made = {"translator": translator, "sampler": sampler, "labels": painter}[description["kind"]]
    return {name: made(name) for name in directions}, description
