"""What --input holds: DICOM as ingestion finds it, and NIfTI images told by their names."""

import dataclasses
import os
import pathlib

from tfcyclegan import manifest
from tfcyclegan.config import TranslateConfig
from tfcyclegan.dicom import sequences, source
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.errors import UserError
from tfcyclegan.nifti.files import VolumeFile

NOTHING = 3
_NIFTI = (b".nii", b".nii.gz")


def records_in(config: TranslateConfig) -> pathlib.Path | None:
    """Returns the directory of converted records that --input names, or None if it names none."""
    if len(config.input) != 1:
        return None
    directory = pathlib.Path(config.input[0])
    return directory if (directory / manifest.MANIFEST).is_file() else None


def find(config: TranslateConfig, sequence: str) -> list[InputObject]:
    """Returns every file of --input.

    A NIfTI image does not say how it was acquired. One that --input names itself is taken for the
    source; of a directory's, those are taken whose names say so, as ingestion reads descriptions.

    Args:
        config: Flags.
        sequence: The source, of records.SEQUENCES.

    Raises:
        UserError: There is no file (3).
    """
    named = {os.path.realpath(os.fsencode(path)) for path in config.input if path[:1] != "@"}
    objects: list[InputObject] = []
    for found in source.walk(config.input):
        if found.member is None and found.path.lower().endswith(_NIFTI):
            wanted = found.path in named or _named_for(found.relative, sequence)
            objects.append(_volume(found, sequence, config.plane, len(objects), wanted))
        else:
            objects.append(dataclasses.replace(found, force=config.force))
    if not objects:
        raise UserError("--input holds no files. Name a study, or a directory of them.", NOTHING)
    return objects


def _named_for(relative: bytes, sequence: str) -> bool:
    name = os.path.basename(relative).lower().split(b".nii")[0].decode("latin-1")
    return sequence in sequences.hints(name.replace("-", " ").replace(".", " "))


def _volume(found: InputObject, sequence: str, plane: str, number: int, wanted: bool) -> VolumeFile:
    return VolumeFile(
        path=found.path,
        relative=found.relative,
        refused=found.refused or ("" if wanted else "other_sequence"),
        label=f"input {number + 1}",
        # Of the path alone is known whose image it is.
        patient=os.path.dirname(found.relative) or found.relative,
        study=os.path.dirname(found.relative),
        sequence=sequence,
        plane=plane,
    )
