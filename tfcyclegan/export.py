"""Writes a SavedModel that a model server loads: `python -m tfcyclegan.export`.

The directory of a version holds the graph of `ServedTranslator`, a card for whoever uses it, and
warm-up requests for the model server. It is there whole and checked, or not there.
"""

import pathlib

from tfcyclegan.config import ExportConfig, run
from tfcyclegan.errors import UserError
from tfcyclegan.models.serving.graph import ServedTranslator
from tfcyclegan.models.serving.sampling import ServedPainter, ServedSampler
from tfcyclegan.models.serving.version import write_version
from tfcyclegan.training.rundir.checkpoints import load_run
from tfcyclegan.training.rundir.model_card import model_card


def main(config: ExportConfig) -> None:
    """Exports a checkpoint as the next version, after a check in a fresh process."""
    model, training, epochs = load_run(config.workdir, config.checkpoint)
    if config.audit and not model.cycled:
        raise UserError(
            f"--audit needs a model that was trained to come back. A {model.title} was not: leave"
            " it out here. translate --audit measures what the model cannot decide."
        )
    if config.dry_run:
        return
    card = model_card(pathlib.Path(config.workdir), model, training, epochs)
    card["audit"] = config.audit
    if model.kind == "sampler":
        served = ServedSampler(model.samplers, image_size=training.image_size)
    elif model.kind == "labels":
        served = ServedPainter(model.painter, image_size=training.image_size)
    else:
        served = ServedTranslator(
            model.translators,
            image_size=training.image_size,
            audit=config.audit,
            percentiles=card["window_percentiles"],
        )
    version = write_version(pathlib.Path(config.output), served, card)
    print(f"exported epoch {epochs} to {version}")


if __name__ == "__main__":
    run(main, ExportConfig)
