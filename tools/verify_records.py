"""Checks that a finished output holds nothing but records; see docs/deidentification.md.

python tools/verify_records.py RECORDS --canaries=STRINGS
"""

import os

from tfcyclegan import config
from tfcyclegan.ingest.verification import output_check


def main(settings: config.VerifyConfig) -> int:
    """Checks, and returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    return output_check.run(settings)


if __name__ == "__main__":
    config.run(main, config.VerifyConfig)
