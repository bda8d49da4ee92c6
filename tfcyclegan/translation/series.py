"""A volume as a derived DICOM series: a directory that is whole or not there."""

import os
import pathlib
import shutil

import numpy as np

from tfcyclegan.dicom import derived
from tfcyclegan.dicom.frames import Frame
from tfcyclegan.dicom.items import uid_of
from tfcyclegan.files import sync
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.intensity import unit_to_stored
from tfcyclegan.privacy.pseudonyms import Pseudonyms


class SeriesWriter:
    """Writes the images of one derived series; a context manager.

    Args:
        path: Directory of the series.
        identity: Pseudonym of the new series; UIDs follow from it.
        header: Of `derived.series_header`.
        key: Makes the UIDs of images.
    """

    def __init__(self, path: pathlib.Path, identity: str, header, key: Pseudonyms):
        self._path, self._identity, self._header, self._key = path, identity, header, key
        self._beside = path.with_name(f".{path.name}.tmp-{os.getpid()}")

    def __enter__(self) -> "SeriesWriter":
        shutil.rmtree(self._beside, ignore_errors=True)
        self._beside.mkdir(parents=True)
        return self

    def add(
        self,
        place: int,
        frame: Frame,
        image: np.ndarray,
        *,
        number: int,
        source: tuple[str, str],
        comment: str = "",
    ) -> None:
        """Writes one image.

        Args:
            place: From the lowest slice up, from 0.
            frame: Slice that it was made from.
            image: float32 [height, width], unit range, in canonical display.
            number: InstanceNumber.
            source: SOP class and instance of the source.
            comment: ImageComments, or empty.
        """
        stored = unit_to_stored(placement_of(frame).axes.stored(image))
        made = derived.image(self._header, frame, stored, number, source)
        if comment:
            made.ImageComments = comment
        instance = self._key.of("synthetic_instance", f"{self._identity}|{place}".encode())
        derived.save(made, self._beside / f"IM{place + 1:04d}.dcm", uid_of(instance))

    def __exit__(self, kind, *exception) -> None:
        if kind is None and any(self._beside.iterdir()):
            for path in self._beside.iterdir():
                sync(path)
            shutil.rmtree(self._path, ignore_errors=True)
            os.replace(self._beside, self._path)
            sync(self._path.parent)
        else:
            shutil.rmtree(self._beside, ignore_errors=True)


def numbers_of(frames: list[Frame]) -> list[int]:
    """Returns the sources' instance numbers where they tell slices apart, else their places."""
    found = [frame.instance_number for frame in frames]
    told = len(set(found)) == len(found) and min(found) >= 0
    return found if told else list(range(1, len(found) + 1))
