"""First pass: every input object's header, in worker processes; no pixels are decoded."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence

from tfcyclegan.dicom import headers, silence
from tfcyclegan.dicom.frames import Frame
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.ingest.workers import Workers, begin_object
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms

CHUNK = 32
"""Objects per task: large enough to hide the pipe, small enough to spread over workers."""

_SHARED = ("patient", "study", "series", "frame_of_ref", "orientation", "spacing", "thickness")
_SHARED += ("slope", "intercept", "physics", "layout")
"""Fields of a frame that many frames have in common."""


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
    objects: Sequence[InputObject], pseudonyms: Pseudonyms, workers: Workers, *, allow_derived: bool
) -> Iterator[Scanned]:
    """Yields what is known of each object, in order.

    A worker that dies loses its whole chunk, so the objects of such a chunk are read again one by
    one, and only the one that kills is lost.
    """
    chunks = [range(i, min(i + CHUNK, len(objects))) for i in range(0, len(objects), CHUNK)]
    options = (pseudonyms, allow_derived)
    tasks = (([(i, objects[i]) for i in chunk], *options) for chunk in chunks)
    share = Shared()
    for chunk, result in zip(chunks, workers.map(scan_chunk, tasks), strict=True):
        if not isinstance(result, Fault):
            yield from map(share, result)
            continue
        singles = [([(i, objects[i])], *options) for i in chunk]
        with workers.one_more() as rescue:
            for i, single in zip(chunk, rescue.map(scan_chunk, singles), strict=True):
                if isinstance(single, Fault):
                    yield Scanned(_file_key(objects[i], pseudonyms), "", 0, fault=single)
                else:
                    yield share(single[0])


class Shared:
    """Lets equal parts of frames be one object: a hundred thousand frames must fit into memory.

    What comes from another process is equal to what came before, but never the same.
    """

    def __init__(self):
        self._known: dict = {}
        self._no_warnings: collections.Counter = collections.Counter()

    def __call__(self, item: Scanned) -> Scanned:
        frames = tuple(self._frame(frame) for frame in item.frames)
        return dataclasses.replace(item, frames=frames, warnings=item.warnings or self._no_warnings)

    def _frame(self, frame: Frame) -> Frame:
        parts = {name: getattr(frame, name) for name in _SHARED}
        # By text, because NaN, which stands for what a header lacks, is not equal to itself.
        shared = {name: self._known.setdefault(repr(part), part) for name, part in parts.items()}
        return dataclasses.replace(frame, **shared)


def scan_chunk(
    objects: Sequence[tuple[int, InputObject]], pseudonyms: Pseudonyms, allow_derived: bool
) -> list[Scanned]:
    """Reads the headers of some objects; runs in a worker."""
    return [_scan_one(index, item, pseudonyms, allow_derived) for index, item in objects]


def _scan_one(
    index: int, item: InputObject, pseudonyms: Pseudonyms, allow_derived: bool
) -> Scanned:
    begin_object()
    file_key, size, stamp = _file_key(item, pseudonyms), item.size(), item.stamp()
    blob = hygiene.isolated(item.read, reason="io_error")
    if isinstance(blob, Fault):
        return Scanned(file_key, "", size, fault=blob)
    content_key = pseudonyms.of_content(blob)
    with silence.silenced() as warnings:
        frames = hygiene.isolated(
            _read_header, blob, index, pseudonyms, allow_derived, reason="parse_error"
        )
    if isinstance(frames, Fault):
        return Scanned(file_key, content_key, size, fault=frames, warnings=warnings)
    return Scanned(file_key, content_key, size, tuple(frames), None, warnings, stamp)


def _read_header(blob: bytes, index: int, pseudonyms: Pseudonyms, allow_derived: bool):
    return headers.read(blob, index, pseudonyms, allow_derived=allow_derived)


def _file_key(item: InputObject, pseudonyms: Pseudonyms) -> str:
    return pseudonyms.of("file", item.relative)
