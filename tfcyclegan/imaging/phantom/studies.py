"""Studies of simulated heads: T2 and FLAIR of each, an exact pair, with the truth.

DIR/patient001/t2, DIR/patient001/flair, … hold DICOM; DIR/truth holds masks of lesions, ventricles
and brain as NIfTI on the same voxels.
"""

import csv
import gzip
import pathlib

import nibabel
import numpy as np
from scipy.spatial.transform import Rotation

from tfcyclegan.errors import UserError
from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.dicom import ENCODINGS, write_series
from tfcyclegan.imaging.phantom.examination import DESCRIPTION, Examination
from tfcyclegan.imaging.phantom.head import Head, simulate
from tfcyclegan.imaging.phantom.scanner import Series, scan

TRUTH = "truth"
TABLE = "volumes.csv"
MASKS = {"lesion_mask": "lesions", "brain_mask": "brain", "ventricle_mask": "ventricles"}
"""Column of the table to what is drawn, which is an attribute of `Head` and part of a name."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def refuse_used(output: pathlib.Path) -> None:
    """Raises UserError unless `output` is missing or an empty directory."""
    if output.exists() and not output.is_dir():
        raise UserError(f"--output must be a directory. Received: {output}, which is a file.")
    if output.is_dir() and any(output.iterdir()):
        raise UserError(
            f"--output must be a new or empty directory. Received: {output}, which holds files."
            " Remove them or name another directory."
        )


def make_studies(
    output: pathlib.Path, *, patients: int, seed: int, grid: Grid, nifti: bool
) -> None:
    """Writes the studies of patients 1 to `patients`, and says so of each.

    Args:
        output: Directory that takes them.
        patients: How many.
        seed: Seed and number of a patient decide everything about that patient.
        grid: Voxels of every series.
        nifti: Whether to write the images as NIfTI too, and the table that lists them.
    """
    for number in range(1, patients + 1):
        head = make_patient(output, number, seed=seed, grid=grid, nifti=nifti)
        print(
            f"patient {number}/{patients}: {ENCODINGS[(number - 1) % len(ENCODINGS)]},"
            f" {grid.slices} slices, {head.traits.lesions} lesions",
            flush=True,
        )
    if nifti:
        write_table(output / TRUTH / TABLE, patients)


def make_patient(
    output: pathlib.Path, number: int, *, seed: int, grid: Grid, nifti: bool = False
) -> Head:
    """Simulates, scans and writes one patient; arguments as of `make_studies`."""
    head, scanned, exam, rng = draw_patient(seed, number, grid)
    name = f"patient{number:03d}"
    for sequence, series in scanned.items():
        write_series(output / name / sequence, exam, series, rng)
        if nifti:
            write_nifti(output / TRUTH / f"{name}_{sequence}.nii.gz", series.pixels, exam)
    for structure in MASKS.values():
        mask = getattr(head, structure).astype(np.uint8)
        write_nifti(output / TRUTH / f"{name}_{structure}.nii.gz", mask, exam)
    return head


def draw_patient(
    seed: int, number: int, grid: Grid
) -> tuple[Head, dict[str, Series], Examination, np.random.Generator]:
    """Simulates and scans one patient, who depends on seed and number only.

    Returns:
        The head; its series by sequence; where they lie; and the stream of the header's values.
    """
    streams = [np.random.default_rng([seed, number, part]) for part in range(3)]
    head = simulate(grid, streams[0])
    exam = examine(seed, number, grid, streams[1])
    return head, scan(head.fractions, grid, streams[2]), exam, streams[1]


def examine(seed: int, number: int, grid: Grid, rng: np.random.Generator) -> Examination:
    """Lays the patient into the scanner: off centre, and the slices tilted as if along the AC-PC.

    Tilt is about the left-right axis mostly. The axes stay close to left, posterior and head.
    """
    angles = rng.uniform([-12, -2.5, -2.5], [12, 2.5, 2.5])
    return Examination(
        seed,
        number,
        ENCODINGS[(number - 1) % len(ENCODINGS)],
        grid,
        origin=rng.uniform([-6, -30, -40], [6, 10, 40]),
        axes=Rotation.from_euler("xyz", angles, degrees=True).as_matrix(),
    )


def write_nifti(path: pathlib.Path, voxels: np.ndarray, exam: Examination) -> None:
    """Writes [slices, rows, columns] as NIfTI, whose axes are columns, rows, slices in RAS.

    The gzip header carries neither time nor name, so that the same voxels are the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = LPS_TO_RAS @ exam.affine()
    image = nibabel.Nifti1Image(voxels.transpose(), affine)
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


def write_table(path: pathlib.Path, patients: int) -> None:
    """Writes the table of all images and their masks, by paths relative to it."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["patient", "study", "sequence", "path", *MASKS])
        for number in range(1, patients + 1):
            name = f"patient{number:03d}"
            masks = [f"{name}_{structure}.nii.gz" for structure in MASKS.values()]
            for sequence in DESCRIPTION:
                writer.writerow([name, "1", sequence, f"{name}_{sequence}.nii.gz", *masks])
