"""A volume as a derived DICOM series: a directory that is whole or not there."""

import contextlib
import pathlib
from collections.abc import Callable

import numpy as np

from tfcyclegan import files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.data.intensity import unit_to_stored
from tfcyclegan.imaging import resampling
from tfcyclegan.imaging.dicom import derived
from tfcyclegan.imaging.dicom import origin as origins
from tfcyclegan.imaging.dicom.items import uid_of
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.publication import Job
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.page import Gallery
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.volume_pass import (
    DICOM,
    RISK,
    SYNTHETIC,
    kinds_of,
    pixels_of,
    titles_of,
    translate_volume,
)
from tfcyclegan.translation.volume_report import Report


class SeriesWriter:
    """Writes the images of one derived series; a context manager.

    Args:
        path: Directory of the series.
        identity: Pseudonym of the new series; UIDs follow from it.
        header: Of `derived.series_header`.
        key: Makes the UIDs of images.
    """

    def __init__(self, path: pathlib.Path, identity: str, header, key: Pseudonyms):
        self._identity, self._header, self._key = identity, header, key
        self._replacing = files.replacing(path, optional=True)

    def __enter__(self) -> "SeriesWriter":
        self._beside = self._replacing.__enter__()
        with files.explained("--output"):
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
        dataset = derived.image(self._header, frame, stored, number, source)
        if comment:
            dataset.ImageComments = comment
        instance = self._key.of("synthetic_instance", f"{self._identity}|{place}".encode())
        derived.save(dataset, self._beside / f"IM{place + 1:04d}.dcm", uid_of(instance))

    def __exit__(self, *exception) -> None:
        if not any(self._beside.iterdir()):
            self._beside.rmdir()  # so that a series of no image is none
        self._replacing.__exit__(*exception)


def numbers_of(frames: list[Frame]) -> list[int]:
    """Returns the sources' instance numbers if all are known and differ, else 1, 2, 3 and so on."""
    numbers = [frame.instance_number for frame in frames]
    distinct = len(set(numbers)) == len(numbers) and min(numbers) >= 0
    return numbers if distinct else list(range(1, len(numbers) + 1))


_FIRST_SERIES = {SYNTHETIC: 1000, RISK: 2000}
"""Added to the source's SeriesNumber, so that all numbers differ and keep their order."""


def write_series(
    job: Job, task: Task, done: Converted, model: Model, config: TranslateConfig, gallery: Gallery
) -> Report | Fault:
    """Writes a volume as derived DICOM series: the synthetic one, and its risk with --audit.

    Returns:
        What is said of the volume, or why its files cannot be read any more.
    """
    first_frame = done.kept[0]
    origin = hygiene.isolated(_read, origins.origin_of, job.objects[first_frame.object_index])
    if isinstance(origin, Fault):
        return origin
    sources = _sources(job, done.kept, origin, config)
    if isinstance(sources, Fault):
        return sources
    derivation = (
        f"{model.title or 'Network'} {model.digest[:8]}: {model.target.upper()} synthesised from"
        f" {model.source.upper()}, slice by slice on a resampled grid and resampled back."
        " Lesions can be lost or invented."
    )
    numbers = numbers_of(done.kept)
    titles, writers, names = titles_of(model), {}, []
    for kind in kinds_of(config):
        name = job.key.of(
            f"{kind}_series", f"{task.series.volume.key}|{model.digest}|{model.target}".encode()
        )
        names.append(f"{DICOM}/{first_frame.study}/{name}")
        header = derived.series_header(
            sources[0][0],
            origin,
            uid_of(name),
            number=_FIRST_SERIES[kind] + origin.series_number,
            description=titles[kind],
            derivation=derivation,
        )
        writers[kind] = SeriesWriter(job.directory / names[-1], name, header, job.key)

    def add(place: int, frame: Frame, translated_slice: Made, comment: str) -> None:
        for kind, writer in writers.items():
            image = resampling.back(
                pixels_of(kind, translated_slice), placement_of(frame), task.grid
            )
            writer.add(
                place,
                frame,
                image,
                number=numbers[place],
                source=sources[place][1:],
                comment=comment,
            )

    with contextlib.ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(writer)
        return translate_volume(job, task, done, model, config, gallery, names, add)


def _read(reader: Callable, item: InputObject):
    """Reads a header once more; the first pass has found it sound."""
    return reader(item.read())


def _sources(
    job: Job, frames: list[Frame], origin: origins.Origin, config: TranslateConfig
) -> list | Fault:
    """Returns identity, SOP class and instance of each frame's file."""
    if config.identity == "replaced":
        return [origins.pseudonymous(frame, origin.sop_class) for frame in frames]
    sources: dict[int, tuple] = {}
    for index in {frame.object_index for frame in frames}:
        identity = hygiene.isolated(_read, origins.identity_of, job.objects[index])
        if isinstance(identity, Fault):
            return identity
        sources[index] = identity
    return [sources[frame.object_index] for frame in frames]
