"""Converts DICOM studies into anonymised, sharded TFRecords; see docs/ingestion.md.

python tools/dicom_to_tfrecord.py --input=STUDIES --output=RECORDS --key_file=KEY
"""

import os

from tfcyclegan import config
from tfcyclegan.ingest import run


def main(settings: config.IngestConfig) -> int:
    """Converts, and returns the exit code."""
    # Writing shards needs TensorFlow, but neither a GPU nor its start-up messages.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    return run.run(settings)


if __name__ == "__main__":
    config.run(main, config.IngestConfig)
