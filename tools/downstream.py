"""Segments lesions on FLAIR, trained with and without synthetic slices; see docs/translation.md.

    python tools/downstream.py --output=DIR

All simulated patients have a T2 and a lesion mask, and a few of them a FLAIR. A translator learns
from these images and makes the missing FLAIR. Four small networks are then compared on the real
FLAIR of other patients. DIR/downstream.json has every number.
"""

from tfcyclegan import config
from tfcyclegan.experiments.downstream.run import run

if __name__ == "__main__":
    config.run(run, config.DownstreamConfig)
