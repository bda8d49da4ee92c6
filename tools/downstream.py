"""Segments lesions on FLAIR, trained with and without synthetic slices; see docs/translation.md.

    python tools/downstream.py --output=DIR

Simulated patients of whom a few have a FLAIR, and all a T2 and a lesion mask. A translator learns
from what there is, makes the FLAIR that lacks, and four small networks are compared on the real
FLAIR of other patients. DIR/downstream.json has every number.
"""

from tfcyclegan import config
from tfcyclegan.experiments.downstream.run import run

if __name__ == "__main__":
    config.run(run, config.DownstreamConfig)
