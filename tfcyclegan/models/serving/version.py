"""The next version of a SavedModel, whole and checked or not there."""

import json
import pathlib

import tensorflow as tf

from tfcyclegan import files
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.serving.graph import ServedTranslator
from tfcyclegan.models.serving.sampling import ServedPainter, ServedSampler
from tfcyclegan.models.serving.saved_model import CARD
from tfcyclegan.models.serving.self_check import check_in_fresh_process
from tfcyclegan.models.serving.warmup import write_requests

Served = ServedTranslator | ServedSampler | ServedPainter


def write_version(output: pathlib.Path, served: Served, card: dict) -> pathlib.Path:
    """Writes OUTPUT/<next version> beside, checks it in a fresh process, and renames it.

    Raises:
        UserError: The output cannot be written (6), another export writes there (8), or the check
            failed; nothing is left then.
    """
    with files.locked(output):
        return _write_version(output, served, card)


def _write_version(output: pathlib.Path, served: Served, card: dict) -> pathlib.Path:
    try:
        files.remove_unfinished(output.iterdir())
        taken = [int(path.name) for path in output.iterdir() if path.name.isdecimal()]
        version = output / str(max(taken, default=0) + 1)
        with files.replacing(version, flag=None) as beside:
            tf.saved_model.save(served, str(beside), signatures=served.signatures())
            (beside / CARD).parent.mkdir()
            (beside / CARD).write_text(json.dumps(card, indent=2) + "\n")
            write_requests(beside, served.image_size)
            check_in_fresh_process(beside, served)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or "TensorFlow could not write the model"
        raise UserError(
            f"--output {output} cannot be written: {reason}. Choose another.", ExitCode.NOT_WRITABLE
        ) from error
    return version
