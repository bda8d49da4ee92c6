"""The model under evaluation: a training run or an exported SavedModel, as two functions."""

import json
import pathlib

import tensorflow as tf

from tfcyclegan import scoring
from tfcyclegan.checkpoints import load_run, recorded
from tfcyclegan.errors import UserError
from tfcyclegan.export import CARD

UNREADABLE = 5


def load_translators(
    workdir: str, model: str, checkpoint: str = "latest"
) -> tuple[dict[str, scoring.Translator], dict]:
    """Returns the translator of each direction and a description of the model.

    Args:
        workdir: Directory of a training run, or empty.
        model: Version directory of an exported model; read where `workdir` is empty.
        checkpoint: Of the run: "latest" or "best".

    Raises:
        UserError: There is no such run or model.
    """
    if not workdir:
        return load_saved_model(pathlib.Path(model))
    trained, training, epochs = load_run(workdir, checkpoint)
    described = recorded(pathlib.Path(workdir))
    description = {
        "domain_a": training.domain_a,
        "domain_b": training.domain_b,
        "image_size": training.image_size,
        "epochs": epochs,
        "train_split": training.train_split,
        "trained_on": described.get("dataset_hash"),
        "folds": training.folds,
        "fold": training.fold,
        "checkpoint": checkpoint,
        # A split that was selected by is no test.
        "selection": described.get("selection"),
    }
    return scoring.translators_of(trained), description


def load_saved_model(directory: pathlib.Path) -> tuple[dict[str, scoring.Translator], dict]:
    """Returns the translators of an exported model and what its card says of it."""
    card = directory / CARD
    if not (directory / "saved_model.pb").is_file() or not card.is_file():
        raise UserError(
            "--model must be a version directory that python -m tfcyclegan.export wrote, with"
            f" saved_model.pb and {CARD}. Received: {directory}.",
            UNREADABLE,
        )
    described = json.loads(card.read_text())
    loaded = tf.saved_model.load(str(directory))

    def translator(name: str) -> scoring.Translator:
        return lambda images: loaded.signatures[name](image=images)["image"]

    description = {
        "domain_a": described["domain_a"],
        "domain_b": described["domain_b"],
        "image_size": described["trained_image_size"],
        "epochs": described["epochs"],
        "train_split": "train",
        "trained_on": described.get("dataset_hash"),
        "folds": described.get("folds", 0),
        "fold": described.get("fold", 0),
    }
    return {name: translator(name) for name in scoring.DIRECTIONS}, description
