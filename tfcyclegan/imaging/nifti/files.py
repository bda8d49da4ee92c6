"""Files that a table names: images and their masks, opened only where that cannot harm."""

import dataclasses
import os
import stat

from tfcyclegan.imaging.source.walk import LARGEST, InputObject
from tfcyclegan.privacy.reasons import Refusal


@dataclasses.dataclass(frozen=True, repr=False, kw_only=True)
class NiftiFile(InputObject):
    """A cell of the table that names a file.

    Attributes:
        label: Row and column of the cell, for messages.
    """

    label: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label})"

    def read(self) -> bytes:
        """Returns the file as it is stored.

        Raises:
            Refusal: It must not be opened, cannot be read, or is too large.
        """
        if self.refused:
            raise Refusal(self.refused)
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size > LARGEST:
                    raise Refusal("too_large")
                return file.read()
        except OSError as error:
            raise Refusal("io_error") from error


@dataclasses.dataclass(frozen=True, repr=False, kw_only=True)
class VolumeFile(NiftiFile):
    """An image and what its row says of it.

    Attributes:
        patient, study: Identifiers as they stand in the table.
        sequence: Of records.SEQUENCES.
        plane: Plane that slices are wanted of.
        companions: Places of its masks in the list of inputs.
    """

    patient: bytes
    study: bytes
    sequence: str
    plane: str
    companions: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, repr=False, kw_only=True)
class MaskFile(NiftiFile):
    """A mask.

    Attributes:
        name: Of records.MASKS.
        volume: The image that it belongs to.
    """

    name: str
    volume: VolumeFile


def objection(path: bytes) -> str:
    """Returns the reason why a path must not be opened, or an empty string for regular files."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return "io_error"
    # Opening a FIFO could block for ever, and in a table it is no leftover but a mistake.
    return "" if stat.S_ISREG(mode) else "io_error"
