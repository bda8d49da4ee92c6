"""What --input holds: DICOM as ingestion finds it, and NIfTI images, known by their names."""

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
"""Stands in the name of what a translation wrote, which is neither a source nor real."""


def records_in(config: TranslateConfig) -> pathlib.Path | None:
    """Returns the directory of converted records that --input names, or None if it names none."""
    if len(config.input) != 1:
        return None
    directory = pathlib.Path(config.input[0])
    return directory if (directory / manifest.MANIFEST).is_file() else None


def find(config: TranslateConfig, wanted: Sequence[str]) -> list[InputObject]:
    """Returns every file of --input.

    A NIfTI image does not say how it was acquired. An image that --input names itself is taken for
    the source. An image of a directory is taken if its name says a wanted sequence; names are read
    as ingestion reads descriptions.

    Args:
        config: Flags.
        wanted: Sequences to read, of records.SEQUENCES; the first is the source.

    Raises:
        UserError: There is no file (3).
    """
    named_paths = {os.path.realpath(os.fsencode(path)) for path in config.input if path[:1] != "@"}
    objects: list[InputObject] = []
    for item in walk.walk(config.input):
        if item.member is None and item.path.lower().endswith(_NIFTI):
            sequence = wanted[0] if item.path in named_paths else _named_for(item.relative, wanted)
            objects.append(_volume(item, sequence, wanted, config.plane, len(objects)))
        else:
            objects.append(dataclasses.replace(item, force=config.force))
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
    hinted = sequences.hints(name.replace("-", " ").replace(".", " "))
    return next((sequence for sequence in wanted if sequence in hinted and _OURS not in name), "")


def _volume(
    found: InputObject, told: str, wanted: Sequence[str], plane: str, number: int
) -> VolumeFile:
    return VolumeFile(
        path=found.path,
        relative=found.relative,
        refused=found.refused or ("" if told else "other_sequence"),
        label=f"input {number + 1}",
        # Nothing but the path says whose image it is.
        patient=os.path.dirname(found.relative) or scan_of(found.relative, wanted).encode(),
        study=os.path.dirname(found.relative),
        sequence=told or wanted[0],
        plane=plane,
    )
