"""What a user of an exported model must know."""

import json
import pathlib

import tfcyclegan
from tfcyclegan.config import TrainConfig
from tfcyclegan.data import windows
from tfcyclegan.data.training_slices import pairs_of
from tfcyclegan.models import translators
from tfcyclegan.models.translation_model import TranslationModel

INTENDED_USE = {
    "translator": "Research on translation between MRI sequences.",
    "sampler": "Research on larger databases of MRI slices. It translates nothing.",
    "labels": "Research on larger databases of MRI slices with tumours. It translates nothing.",
}
LIMITS = {
    "translator": "Synthetic images can lose or invent lesions. Not for diagnosis.",
    "sampler": "Images are of nobody, and can be near those of a training patient. Not for"
    " diagnosis.",
    "labels": "Images are of nobody, with the brain of one patient and the lesion of another. Not"
    " for diagnosis.",
}


def model_card(
    workdir: pathlib.Path, model: TranslationModel, config: TrainConfig, epochs: int
) -> dict:
    """Returns what a user of the model must know: how it was made, and what it is not for."""
    described = json.loads((workdir / "run.json").read_text())
    return {
        "name": "tfcyclegan",
        "version": tfcyclegan.__version__,
        "model": model.title,
        "kind": model.kind,
        "directions": list(translators.directions_of(model)),
        "cycled": model.cycled,
        "domain_a": config.domain_a,
        "domain_b": config.domain_b,
        "epochs": epochs,
        "trained_image_size": config.image_size,
        "dataset_hash": described["dataset_hash"],
        "split_hash": described["split_hash"],
        "window_percentiles": windows.percentiles_in(described),
        "folds": config.folds[0],
        "fold": config.folds[1],
        "drop_lesions": config.drop_lesions,
        "trained_on_pairs": pairs_of(described),
        "compared_by": described.get("compared_by", {}),
        "metrics": metrics_of(workdir, epochs),
        "validation_split": described.get("validation_split"),
        "versions": described["versions"],
        "flags": [
            line
            for line in config.to_flagfile().splitlines()
            if not line.startswith(("--data_dir", "--workdir", "--vgg"))
        ],
        "intended_use": INTENDED_USE[model.kind],
        "limits": LIMITS[model.kind],
    }


def metrics_of(workdir: pathlib.Path, epochs: int) -> dict[str, float | None]:
    """Returns the validation metrics after this many epochs; none where none were taken."""
    log = workdir / "metrics.jsonl"
    rows = [json.loads(row) for row in log.read_text().splitlines()] if log.is_file() else []
    return {
        name: value
        for row in rows
        if row["epoch"] == epochs
        for name, value in row.items()
        if name.startswith("val_")
    }
