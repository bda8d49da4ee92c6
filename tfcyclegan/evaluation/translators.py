"""The model under evaluation: a training run or an exported SavedModel, as two functions."""

import pathlib

from tfcyclegan.data import windows
from tfcyclegan.data.training_slices import pairs_of
from tfcyclegan.models import translators
from tfcyclegan.models.serving import saved_model
from tfcyclegan.training.rundir.checkpoints import load_run
from tfcyclegan.training.rundir.workdir import recorded


def load_translators(
    workdir: str, model: str, checkpoint: str = "latest"
) -> tuple[dict[str, translators.Translator], dict]:
    """Returns the translator of each direction and a description of the model.

    Args:
        workdir: Directory of a training run, or empty.
        model: Version directory of an exported model; read where `workdir` is empty.
        checkpoint: Of the run: "latest" or "best".

    Raises:
        UserError: There is no such run or model.
    """
    if not workdir:
        return saved_model.load(pathlib.Path(model))
    trained, training, epochs = load_run(workdir, checkpoint)
    described = recorded(pathlib.Path(workdir))
    description = {
        "title": trained.title,
        "kind": trained.kind,
        "cycled": trained.cycled,
        "domain_a": training.domain_a,
        "domain_b": training.domain_b,
        "image_size": training.image_size,
        "epochs": epochs,
        "window_percentiles": windows.percentiles_in(described),
        "train_split": "train",
        "trained_on": described.get("dataset_hash"),
        "folds": training.folds[0],
        "fold": training.folds[1],
        "drop_lesions": training.drop_lesions,
        "trained_on_pairs": pairs_of(described),
        "checkpoint": checkpoint,
        # A split that was selected by is no test.
        "selection": described.get("selection"),
    }
    if trained.kind != "translator":
        return translators.samplers_of(trained), description
    return translators.translators_of(trained), description
