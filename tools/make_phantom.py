"""Makes DICOM studies of simulated heads: T2 and FLAIR of each, an exact pair, with the truth.

    python tools/make_phantom.py --output=DIR [--patients=8] [--seed=0] [--nifti]

DIR/patient001/t2, DIR/patient001/flair, … hold the studies; DIR/truth holds masks of lesions,
ventricles and brain as NIfTI on the same voxels. With --nifti it holds the images too, and
volumes.csv, the table by which tools/nifti_to_tfrecord.py converts images and masks. The same flags
give the same bytes.
"""

import pathlib

from tfcyclegan.config import PhantomConfig, run
from tfcyclegan.imaging.phantom import studies
from tfcyclegan.imaging.phantom.anatomy import Grid


def main(config: PhantomConfig) -> None:
    output = pathlib.Path(config.output)
    studies.refuse_used(output)
    if not config.dry_run:
        studies.make_studies(
            output,
            patients=config.patients,
            seed=config.seed,
            grid=Grid(config.matrix, config.slices),
            nifti=config.nifti,
        )


if __name__ == "__main__":
    run(main, PhantomConfig)
