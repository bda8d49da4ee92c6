"""NIfTI volumes and tables for tests, and the conversion of a table."""

import csv
import itertools
import pathlib

import nibabel
import numpy as np
from ingest_runs import Result, flags_of

from tfcyclegan.config import NiftiConfig
from tfcyclegan.data import records
from tfcyclegan.imaging.nifti import table
from tfcyclegan.ingest import run

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
COLUMNS = ("patient", "study", "sequence", "path", "lesion_mask", "brain_mask", "ventricle_mask")
ORIENTATIONS = [
    list(zip(axes, flips, strict=True))
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
"""Every order and direction of three voxel axes, as nibabel describes them."""


def affine(shape, spacing, centre=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Voxels to LPS mm, axes along left, back and head, the volume's middle at `centre`."""
    made = np.diag([*spacing, 1.0])
    made[:3, 3] = np.array(centre) - (np.array(shape) - 1) / 2 * np.array(spacing)
    return made


def points(shape, lps) -> np.ndarray:
    """LPS coordinates of every voxel, mm [i, j, k, 3]."""
    return np.moveaxis(np.indices(shape), 0, -1) @ lps[:3, :3].T + lps[:3, 3]


def image(voxels: np.ndarray, lps: np.ndarray) -> nibabel.Nifti1Image:
    """An image with equal qform and sform; its header would be scanned, not made up, in life."""
    made = nibabel.Nifti1Image(voxels, LPS_TO_RAS @ lps)
    made.set_qform(LPS_TO_RAS @ lps, code=1)
    made.set_sform(LPS_TO_RAS @ lps, code=1)
    made.header.set_xyzt_units("mm")
    return made


def turned(made: nibabel.Nifti1Image, orientation) -> nibabel.Nifti1Image:
    """The same voxels at the same places, stored in another order."""
    return made.as_reoriented(np.array(orientation, float))


def write(made: nibabel.Nifti1Image, path: pathlib.Path) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(made, path)
    return path


def head(shape=(20, 24, 6), spacing=(8.0, 8.0, 12.0), seed=0) -> nibabel.Nifti1Image:
    """A bright ellipsoid in noise, int16."""
    lps = affine(shape, spacing)
    radius = ((points(shape, lps) / np.array([60.0, 80.0, 60.0])) ** 2).sum(-1)
    noise = np.random.default_rng(seed).integers(0, 50, shape)
    return image((noise + 800 * (radius < 1)).astype(np.int16), lps)


def write_table(path: pathlib.Path, rows: list[dict]) -> pathlib.Path:
    """Writes rows; a row may lack columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(path, sequence="flair", patient="P1", study="S1", **masks) -> dict:
    return {
        "patient": patient,
        "study": study,
        "sequence": sequence,
        "path": str(path),
        **{name: str(mask) for name, mask in masks.items()},
    }


def convert_table(folder: pathlib.Path, source: pathlib.Path, *flags: str) -> tuple[int, Result]:
    """Converts a table to folder/out, and returns the exit code and what was written."""
    config = NiftiConfig.parse(f"--table={source}", *flags_of(folder), *flags)
    code = run.run(config.conversion(), lambda asked: table.read(source, asked.plane))
    return code, Result(folder / "out")


def mask_of(record: dict, name: str) -> np.ndarray:
    """A record's mask, bool [256, 256]."""
    mask, present = records.decode_mask([record[f"mask/{name}"]])
    assert present.numpy().all()
    return mask[0].numpy()
