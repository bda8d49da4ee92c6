"""Writes a SavedModel that a model server loads: `python -m tfcyclegan.export`.

The directory of a version holds the graph of `served.ServedTranslator`, a card for whoever uses it,
and warm-up requests for the model server. It is there whole and checked, or not there.
"""

import json
import os
import pathlib
import shutil

import tensorflow as tf

import tfcyclegan
from tfcyclegan import intensity
from tfcyclegan.checkpoints import load_run
from tfcyclegan.config import ExportConfig, TrainConfig, run
from tfcyclegan.errors import UserError
from tfcyclegan.exported import CARD
from tfcyclegan.self_check import check_in_fresh_process
from tfcyclegan.served import ServedTranslator
from tfcyclegan.warmup import write_requests


def main(config: ExportConfig) -> None:
    """Exports a checkpoint as the next version, after a check in a fresh process."""
    model, training, epochs = load_run(config.workdir, config.checkpoint)
    if config.dry_run:
        return
    card = model_card(pathlib.Path(config.workdir), training, epochs) | {"audit": config.audit}
    served = ServedTranslator(
        model.translator_ab,
        model.translator_ba,
        image_size=training.image_size,
        audit=config.audit,
        percentiles=card["window_percentiles"],
    )
    version = write_version(pathlib.Path(config.output), served, card)
    print(f"exported epoch {epochs} to {version}")


def model_card(workdir: pathlib.Path, config: TrainConfig, epochs: int) -> dict:
    """Returns what a user of the model must know: how it was made, and what it is not for."""
    described = json.loads((workdir / "run.json").read_text())
    return {
        "name": "tfcyclegan",
        "version": tfcyclegan.__version__,
        "domain_a": config.domain_a,
        "domain_b": config.domain_b,
        "epochs": epochs,
        "trained_image_size": config.image_size,
        "dataset_hash": described["dataset_hash"],
        "split_hash": described["split_hash"],
        "window_percentiles": intensity.percentiles_in(described),
        "folds": config.folds,
        "fold": config.fold,
        "drop_lesions": config.drop_lesions,
        "metrics": metrics_of(workdir, epochs),
        "versions": described["versions"],
        "flags": [
            line
            for line in config.to_flagfile().splitlines()
            if not line.startswith(("--data_dir", "--workdir"))
        ],
        "intended_use": "Research on unpaired translation between MRI sequences.",
        "limits": "Synthetic images can lose or invent lesions. Not for diagnosis.",
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
        try:
            tf.saved_model.save(served, str(beside), signatures=served.signatures())
            (beside / CARD).parent.mkdir()
            (beside / CARD).write_text(json.dumps(card, indent=2) + "\n")
            write_requests(beside, served.image_size)
            check_in_fresh_process(beside, served)
            os.replace(beside, version)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or "TensorFlow could not write the model"
        raise UserError(
            f"--output {output} cannot be written: {reason}. Choose another.", 6
        ) from error
    return version


if __name__ == "__main__":
    run(main, ExportConfig)
