"""Simulated patients as NIfTI images with lesion masks, and who of them has which sequence."""

import csv
import io
import pathlib

import numpy as np

from tfcyclegan import files
from tfcyclegan.config import DownstreamConfig
from tfcyclegan.imaging.phantom import studies
from tfcyclegan.imaging.phantom.anatomy import Grid

SEED = 0
AVAILABLE, WITHHELD, TEST = "available", "withheld", "test"
"""What a hospital has: T2 of all patients and FLAIR of a few; the FLAIR that it lacks; and FLAIR of
patients who take no part in training."""


def write(folder: pathlib.Path, config: DownstreamConfig) -> dict[str, pathlib.Path]:
    """Writes images, masks and three tables for `tools/nifti_to_tfrecord.py`.

    Returns:
        The tables of `AVAILABLE`, `WITHHELD` and `TEST`.
    """
    grid = Grid(2 * config.size, config.slices)
    rows: dict[str, list] = {AVAILABLE: [], WITHHELD: [], TEST: []}
    everybody = config.patients + config.test_patients
    for number in range(1, everybody + 1):
        head, scanned, exam, _ = studies.draw_patient(SEED, number, grid)
        mask = f"p{number:03d}_lesions.nii.gz"
        studies.write_nifti(folder / mask, head.lesions.astype(np.uint8), exam)
        for sequence, table in _homes(number, config).items():
            image = f"p{number:03d}_{sequence}.nii.gz"
            studies.write_nifti(folder / image, scanned[sequence].pixels, exam)
            rows[table].append((f"p{number:03d}", "1", sequence, image, mask))
        print(f"patient {number}/{everybody}: {head.traits.lesions} lesions", flush=True)
    return {
        name: _write_table(folder / f"{name}.csv", table_rows) for name, table_rows in rows.items()
    }


def _homes(number: int, config: DownstreamConfig) -> dict[str, str]:
    """Returns the table that each sequence of a patient stands in."""
    if number > config.patients:
        return {"flair": TEST}
    return {"t2": AVAILABLE, "flair": AVAILABLE if number <= config.with_flair else WITHHELD}


def _write_table(path: pathlib.Path, rows: list) -> pathlib.Path:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("patient", "study", "sequence", "path", "lesion_mask"))
    writer.writerows(rows)
    files.write(path, text.getvalue())
    return path
