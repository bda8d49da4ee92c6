"""What --input holds: DICOM as ingestion finds it, and NIfTI images told by their names."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence

from tfcyclegan.config import TranslateConfig
from tfcyclegan.data import manifest
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.imaging import sequences
from tfcyclegan.imaging.nifti.files import VolumeFile
from tfcyclegan.imaging.source import walk
from tfcyclegan.imaging.source.walk import InputObject

_NIFTI = (b".nii", b".nii.gz")
_OURS = "synthetic"
"""In the name of what a translation wrote, which is no source and nothing real."""


def records_in(config: TranslateConfig) -> pathlib.Path | None:
    """Returns the directory of converted records that --input names, or None if it names none."""
    if len(config.input) != 1:
        return None
    directory = pathlib.Path(config.input[0])
    return directory if (directory / manifest.MANIFEST).is_file() else None


def find(config: TranslateConfig, wanted: Sequence[str]) -> list[InputObject]:
    """Returns every file of --input.

    A NIfTI image does not say how it was acquired. One that --input names itself is taken for the
    source; of a directory's, those are taken whose names say so, as ingestion reads descriptions.

    Args:
        config: Flags.
        wanted: Sequences to read, of records.SEQUENCES; the first is the source.

    Raises:
        UserError: There is no file (3).
    """
    named = {os.path.realpath(os.fsencode(path)) for path in config.input if path[:1] != "@"}
    objects: list[InputObject] = []
    for found in walk.walk(config.input):
        if found.member is None and found.path.lower().endswith(_NIFTI):
            told = wanted[0] if found.path in named else _named_for(found.relative, wanted)
            objects.append(_volume(found, told, wanted, config.plane, len(objects)))
        else:
            objects.append(dataclasses.replace(found, force=config.force))
    if not objects:
        raise UserError(
            "--input holds no files. Name a study, or a directory of them.", ExitCode.NOTHING
        )
    return objects


def scan_of(path: bytes, either: Sequence[str]) -> str:
    """Returns a NIfTI image's name without its sequence, which the images of one scan share.

    A directory may hold many patients: sub-1_T2w belongs to sub-1_FLAIR or sub-1_T2_FLAIR, not to
    sub-2_FLAIR.

    Args:
        path: Of the image.
        either: Sequences, of records.SEQUENCES.
    """
    words = "|".join(map(re.escape, either))
    return re.sub(rf"[-_. ]*(?<![a-z0-9])({words})w?(?![a-z0-9])", "", _name_of(path))


def _name_of(path: bytes) -> str:
    name = os.path.basename(path).lower().split(b".nii")[0].decode("latin-1")
    return re.sub("(?<![a-z0-9])t2f(?![a-z0-9])", "flair", name)  # as BraTS calls it from 2023 on


def _named_for(relative: bytes, wanted: Sequence[str]) -> str:
    """Returns the sequence that a name says, if it is wanted, or an empty string."""
    name = _name_of(relative)
    said = sequences.hints(name.replace("-", " ").replace(".", " "))
    return next((one for one in wanted if one in said and _OURS not in name), "")


def _volume(
    found: InputObject, told: str, wanted: Sequence[str], plane: str, number: int
) -> VolumeFile:
    return VolumeFile(
        path=found.path,
        relative=found.relative,
        refused=found.refused or ("" if told else "other_sequence"),
        label=f"input {number + 1}",
        # Of the path alone is known whose image it is.
        patient=os.path.dirname(found.relative) or scan_of(found.relative, wanted).encode(),
        study=os.path.dirname(found.relative),
        sequence=told or wanted[0],
        plane=plane,
    )
