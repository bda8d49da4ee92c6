"""kernel_sums.npz: what a paired comparison of kernel distances needs of an evaluation.

It holds sums of the kernel over pairs of patients. From the sums of two models on the same patients
follows the difference of their `kid_patient`, under any draw of patients. No pickle is written or
read.
"""

import dataclasses
import io
import pathlib
import zipfile

import numpy as np

from tfcyclegan import files
from tfcyclegan.metrics import PatientKernelSums

FILE = "kernel_sums.npz"
_FIELDS = tuple(field.name for field in dataclasses.fields(PatientKernelSums))


class Damaged(Exception):
    """The file cannot be what was written."""


def write(directory: pathlib.Path, sums: dict[str, PatientKernelSums]) -> None:
    """Writes the sums of each direction that has some; ids are bytes."""
    arrays = {
        f"{direction}/{field}": np.array(getattr(patient_sums, field))
        for direction, patient_sums in sums.items()
        for field in _FIELDS
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    files.write(directory / FILE, file.getvalue())


def read(directory: pathlib.Path) -> dict[str, PatientKernelSums]:
    """Returns the sums by direction; nothing where there is no file.

    Raises:
        Damaged: The file is something else.
    """
    path = directory / FILE
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            directions = dict.fromkeys(name.split("/")[0] for name in arrays)
            return {name: _sums(name, arrays) for name in directions}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise Damaged from error


def _sums(direction: str, arrays) -> PatientKernelSums:
    values = {field: arrays[f"{direction}/{field}"] for field in _FIELDS}
    p, q = (len(values[f"patients_{side}"]) for side in ("real", "fake"))
    shapes = {"counts_real": (p,), "counts_fake": (q,)}
    shapes |= {"real": (p, p), "fake": (q, q), "cross": (p, q)}
    for field, shape in shapes.items():
        if values[field].shape != shape or not np.all(np.isfinite(values[field])):
            raise ValueError(field)
    for side in ("patients_real", "patients_fake"):
        values[side] = tuple(values[side].tolist())
    return PatientKernelSums(**values)
