"""First pass: every input object's header, in worker processes; no pixels are decoded."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence

from tfcyclegan.imaging.dicom import silence
from tfcyclegan.imaging.frames import STRICT, Frame, Reading
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest import formats
from tfcyclegan.ingest.workers import Workers, begin_object
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

CHUNK = 32
"""Objects per task: large enough to hide the pipe, small enough to spread over workers."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scanned:
    """What the first pass knows of one object.

    Attributes:
        file_key: Keyed digest of its relative path.
        content_key: Keyed digest of its bytes; empty where they were not read.
        bytes: Its size.
        frames: Its frames; empty if it is refused.
        fault: Why it is refused, or None.
        warnings: Count of the parser's warnings by category.
        stamp: Changes when the file does.
    """

    file_key: str
    content_key: str
    bytes: int
    frames: tuple[Frame, ...] = ()
    fault: Fault | None = None
    warnings: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    stamp: bytes = b""


def scan(
    objects: Sequence[InputObject],
    pseudonyms: Pseudonyms,
    workers: Workers,
    reading: Reading = STRICT,
) -> Iterator[Scanned]:
    """Yields what is known of each object, in order.

    A worker that dies loses its whole chunk, so the objects of such a chunk are read again one by
    one, and only the one that kills its worker is lost.
    """
    sharing = _Sharing()
    chunks = [range(i, min(i + CHUNK, len(objects))) for i in range(0, len(objects), CHUNK)]
    options = (pseudonyms, reading)
    tasks = (([(i, objects[i]) for i in chunk], *options) for chunk in chunks)
    for chunk, result in zip(chunks, workers.map(scan_chunk, tasks), strict=True):
        if not isinstance(result, Fault):
            yield from map(sharing.apply, result)
            continue
        singles = [([(i, objects[i])], *options) for i in chunk]
        with workers.one_more() as rescue:
            for i, single in zip(chunk, rescue.map(scan_chunk, singles), strict=True):
                if isinstance(single, Fault):
                    yield Scanned(_file_key(objects[i], pseudonyms), "", 0, fault=single)
                else:
                    yield sharing.apply(single[0])


class _Sharing:
    """Lets frames share equal values.

    Frames come through a pipe, so each has copies of its own. In a series of a thousand files all
    values are equal but the positions and the digests. Sharing the equal ones halves the memory
    that the first pass leaves behind.
    """

    FIELDS = ("patient", "study", "series", "frame_of_ref", "orientation", "spacing")
    FIELDS += ("thickness", "slope", "intercept", "physics", "layout")

    def __init__(self):
        self._seen: dict[str, object] = {}
        self._no_warnings: collections.Counter = collections.Counter()

    def apply(self, scanned: Scanned) -> Scanned:
        frames = tuple(map(self._frame, scanned.frames))
        warnings = scanned.warnings or self._no_warnings
        return dataclasses.replace(scanned, frames=frames, warnings=warnings)

    def _frame(self, frame: Frame) -> Frame:
        # Looked up by text, because NaN does not equal NaN.
        values = {name: getattr(frame, name) for name in self.FIELDS}
        shared = {n: self._seen.setdefault(f"{n} {v!r}", v) for n, v in values.items()}
        return dataclasses.replace(frame, **shared)


def scan_chunk(
    objects: Sequence[tuple[int, InputObject]],
    pseudonyms: Pseudonyms,
    reading: Reading,
) -> list[Scanned]:
    """Reads the headers of some objects; runs in a worker."""
    with silence.silenced():
        return [_scan_one(index, item, pseudonyms, reading) for index, item in objects]


def _scan_one(index: int, item: InputObject, pseudonyms: Pseudonyms, reading: Reading) -> Scanned:
    begin_object()
    file_key, size, stamp = _file_key(item, pseudonyms), item.size(), item.stamp()
    blob = hygiene.isolated(item.read, reason="io_error")
    if isinstance(blob, Fault):
        return Scanned(file_key, "", size, fault=blob)
    content_key = pseudonyms.of_content(blob)
    with silence.silenced() as warnings:
        frames = hygiene.isolated(
            formats.frames, item, blob, index, pseudonyms, reading, reason="parse_error"
        )
    if isinstance(frames, Fault):
        return Scanned(file_key, content_key, size, fault=frames, warnings=warnings)
    return Scanned(file_key, content_key, size, tuple(frames), None, warnings, stamp)


def _file_key(item: InputObject, pseudonyms: Pseudonyms) -> str:
    return pseudonyms.of("file", item.relative)
