"""Between the two passes: whether files of the same SOP instance have the same pixels.

Almost every instance is there once, so hashing all pixels would double the work of the first pass
for nothing.
"""

import collections
import dataclasses
from collections.abc import Sequence

from tfcyclegan.imaging.dicom import headers, silence
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms


def tell_apart(
    scanned: list[Scanned], objects: Sequence[InputObject], key: Pseudonyms, workers: Workers
) -> None:
    """Gives frames whose instance occurs in several objects the digest of their pixels.

    Args:
        scanned: Of each object; items are replaced.
        objects: The inputs.
        key: Keys the digests.
        workers: Read the files concerned once more.
    """
    homes: dict[str, set[int]] = collections.defaultdict(set)
    for item in scanned:
        for frame in item.frames:
            if frame.content:
                continue  # known already, as of formats whose first pass reads the voxels
            homes[frame.instance].add(frame.object_index)
    repeated = sorted(index for home in homes.values() if len(home) > 1 for index in home)
    tasks = [(objects[index], key) for index in repeated]
    for index, result in zip(repeated, workers.map(content, tasks), strict=True):
        item = scanned[index]
        # Of a file that cannot be read any more, all bytes stand for the pixels.
        digest = item.content_key if isinstance(result, Fault) else result
        frames = tuple(dataclasses.replace(frame, content=digest) for frame in item.frames)
        scanned[index] = dataclasses.replace(item, frames=frames)


def content(item: InputObject, key: Pseudonyms) -> str:
    """Returns the digest of an object's pixels; runs in a worker."""
    with silence.silenced():
        return headers.content(item.read(), key)
