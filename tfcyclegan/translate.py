"""Makes the other sequence of whole studies: `python -m tfcyclegan.translate`.

DICOM in and DICOM out, NIfTI in and NIfTI out, records in and records out. Research only.
"""

import pathlib

from tfcyclegan.config import TranslateConfig, run
from tfcyclegan.ingest import clean_exit


def main(config: TranslateConfig) -> int:
    """Translates what --input holds and returns the exit code (docs/translation.md)."""
    # Imported late: worker processes import this module too, and need no TensorFlow.
    from tfcyclegan.translation import run as translation_run

    return clean_exit.contained(translation_run.run, config, pathlib.Path(config.output))


if __name__ == "__main__":
    run(main, TranslateConfig)
