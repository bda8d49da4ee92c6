"""Functional groups of multi-frame images (PS3.3, C.7.6.16): one view per frame.

The top level of an Enhanced MR image has neither echo time nor position, and frames may stand in
any order; each frame's own groups count, then the shared ones, then the top level.
"""

from collections.abc import Iterator

from pydicom import Dataset

from tfcyclegan.privacy.reasons import Refusal

_MACROS = (
    "FrameContentSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "MRImageFrameTypeSequence",
    "MRTimingAndRelatedParametersSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRDiffusionSequence",
    "MRFOVGeometrySequence",
)
"""Macros that are read. Others, such as real-world value maps, would shadow keywords of these."""


def frame_layers(dataset: Dataset, frames: int) -> Iterator[tuple[Dataset, ...]]:
    """Yields the data sets to look into for each frame, the most specific first.

    Args:
        dataset: A multi-frame image.
        frames: NumberOfFrames.

    Raises:
        Refusal: size_mismatch if the per-frame groups are fewer or more than the frames.
    """
    shared = _groups(dataset.get("SharedFunctionalGroupsSequence") or [])
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(per_frame) != frames:
        raise Refusal("size_mismatch")
    for item in per_frame:
        yield (*_groups([item]), *shared, dataset)


def _groups(items) -> list[Dataset]:
    groups = []
    for item in items:
        for macro in _MACROS:
            groups += list(item.get(macro) or [])[:1]
    return groups
