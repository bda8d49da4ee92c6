"""Converts NIfTI volumes that a table lists into anonymised TFRecords; see docs/ingestion.md.

python tools/nifti_to_tfrecord.py --table=volumes.csv --output=RECORDS --key_file=KEY
"""

import os
import pathlib

from tfcyclegan import config
from tfcyclegan.imaging.nifti import table
from tfcyclegan.ingest import run


def main(settings: config.NiftiConfig) -> int:
    """Converts, and returns the exit code."""
    # Writing shards needs TensorFlow, but neither a GPU nor its start-up messages.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    path = pathlib.Path(settings.table)
    return run.run(settings.conversion(), lambda conversion: table.read(path, conversion.plane))


if __name__ == "__main__":
    config.run(main, config.NiftiConfig)
