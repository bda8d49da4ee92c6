"""One volume from files to finished records; runs in a worker and knows no TensorFlow."""

import collections
import dataclasses
import math

import numpy as np

from tfcyclegan import intensity
from tfcyclegan.dicom import pixels, resampling, silence, volumes
from tfcyclegan.dicom.frames import Frame
from tfcyclegan.dicom.geometry import gaps
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.ingest.plan import FEWEST_SLICES, Task, placement_of
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal
from tfcyclegan.records import SIZE

FOREGROUND = 0.1
"""A voxel above this is foreground, in unit range: air and its noise lie below."""


@dataclasses.dataclass(frozen=True)
class Converted:
    """What became of one volume.

    Attributes:
        records: Features of each slice that is kept, in order; provenance is added by the writer.
        kept: Frames that became records.
        refused: (frame, why) of the others.
        fault: Why the whole volume is refused, or None.
        warnings: Count of the parser's warnings by category.
    """

    records: list[dict]
    kept: list[Frame]
    refused: list[tuple[Frame, Fault]]
    fault: Fault | None
    warnings: collections.Counter


@dataclasses.dataclass(frozen=True, eq=False)
class _Slice:
    frame: Frame
    image: np.ndarray
    padded: np.ndarray | None


def convert(
    task: Task,
    objects: dict[int, tuple[InputObject, str]],
    pseudonyms: Pseudonyms,
    min_foreground: float,
    lost: dict[int, Fault],
) -> Converted:
    """Decodes, windows and resamples one volume.

    Args:
        task: The volume.
        objects: Object index to (object, content key of the first pass).
        pseudonyms: To see whether a file has changed since.
        min_foreground: Smallest share of foreground of a slice.
        lost: Objects that must not be opened again, and why.

    Returns:
        Records and refusals; together they name every frame of the volume.
    """
    with silence.silenced() as warnings:
        slices, refused = _decode(task.series.volume.frames, objects, pseudonyms, lost)
        slices = _without_rivals(slices, refused)
        result = hygiene.isolated(_records, task, slices, min_foreground)
    if isinstance(result, Fault):
        refused += [(item.frame, result) for item in slices]
        return Converted([], [], refused, result, warnings)
    records, dropped = result
    refused += [(frame, Fault("low_foreground")) for frame in dropped]
    gone = {id(frame) for frame in dropped}
    kept = [item.frame for item in slices if id(item.frame) not in gone]
    return Converted(records, kept, refused, None, warnings)


def probe(item: InputObject, content_key: str, pseudonyms: Pseudonyms, frames: list[Frame]) -> None:
    """Decodes one object, to see whether it is the one that ends its worker."""
    with silence.silenced():
        _decode_object(item, content_key, pseudonyms, frames)


def _decode(
    frames: tuple[Frame, ...],
    objects: dict[int, tuple[InputObject, str]],
    pseudonyms: Pseudonyms,
    lost: dict[int, Fault],
) -> tuple[list[_Slice], list[tuple[Frame, Fault]]]:
    """Decodes all frames, object by object; what fails is refused, the rest goes on."""
    wanted = collections.defaultdict(list)
    for frame in frames:
        wanted[frame.object_index].append(frame)
    decoded, refused = {}, []
    for index, members in wanted.items():
        found = lost.get(index) or hygiene.isolated(
            _decode_object, *objects[index], pseudonyms, members, reason="decode_error"
        )
        if isinstance(found, Fault):
            refused += [(frame, found) for frame in members]
            continue
        decoded.update({id(item.frame): item for item in found})
    return [decoded[id(frame)] for frame in frames if id(frame) in decoded], refused


def _decode_object(
    item: InputObject, content_key: str, pseudonyms: Pseudonyms, frames: list[Frame]
) -> list[_Slice]:
    """Returns canonical display in scanner units, slope and intercept applied slice by slice."""
    blob = item.read()
    if pseudonyms.of_content(blob) != content_key:
        raise Refusal("changed_during_read")
    arrays = pixels.decode(blob, [frame.frame_index for frame in frames], frames[0].layout)
    slices = []
    for frame, (stored, padded) in zip(frames, arrays, strict=True):
        axes = placement_of(frame).axes
        scanner = stored * np.float32(frame.slope) + np.float32(frame.intercept)
        mask = None if padded is None else axes.display(padded)
        slices.append(_Slice(frame, axes.display(scanner), mask))
    return slices


def _without_rivals(slices: list[_Slice], refused: list) -> list[_Slice]:
    """Refuses instances that decoded with two different contents: no one knows which is right."""
    count = collections.Counter((s.frame.instance, s.frame.frame_index) for s in slices)
    alone = []
    for item in slices:
        if count[item.frame.instance, item.frame.frame_index] == 1:
            alone.append(item)
        else:
            refused.append((item.frame, Fault("duplicate_conflict")))
    return alone


def _records(
    task: Task, slices: list[_Slice], min_foreground: float
) -> tuple[list[dict], list[Frame]]:
    if len(slices) < FEWEST_SLICES:
        raise Refusal("too_few_slices")
    volume = np.stack([item.image for item in slices])
    valid = _valid(slices)
    if slices[0].frame.layout.inverted:
        volume = _inverted(volume, valid)
    try:
        window = intensity.volume_window(volume, valid)
    except ValueError as error:
        raise Refusal("empty_volume") from error
    if valid is not None:
        # Padding is background; left as it is, resampling would smear it into the image.
        volume[~valid] = window[0]
    common = _volume_features(task, [item.frame for item in slices], window)
    records, dropped = [], []
    for index, item in enumerate(slices):
        features = _slice_features(task, item.frame, volume[index], window)
        if features.pop("foreground") < min_foreground:
            dropped.append(item.frame)
            continue
        place = _position_features(task, slices, index)
        records.append({**common, **features, **place})
    return records, dropped


def _valid(slices: list[_Slice]) -> np.ndarray | None:
    if all(item.padded is None for item in slices):
        return None
    return np.stack(
        [
            np.ones(item.image.shape, bool) if item.padded is None else ~item.padded
            for item in slices
        ]
    )


def _inverted(volume: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Turns MONOCHROME1 (low is white) into MONOCHROME2 by max + min - x.

    In scanner units and over the whole volume: per slice, each would get an offset of its own, and
    in stored values a rescale slope that varies by slice would do the same.
    """
    voxels = volume if valid is None else volume[valid]
    if voxels.size == 0:
        raise Refusal("empty_volume")
    return voxels.max() + voxels.min() - volume


def _volume_features(task: Task, frames: list[Frame], window: tuple[float, float]) -> dict:
    first, physics = frames[0], frames[0].physics
    placement = placement_of(first)
    spacing_mm, _ = gaps([volumes.depth(f) for f in frames], tolerance=volumes.GAP)
    return {
        "image/height": SIZE,
        "image/width": SIZE,
        "image/channels": 1,
        "image/bits": 16,
        "image/scale_lo": window[0],
        "image/scale_hi": window[1],
        "series/class": task.series.sequence,
        "series/class_source": "rule",
        "series/class_confidence": task.series.confidence,
        "mr/te_ms": _coarse(physics.te_ms),
        "mr/tr_ms": _coarse(physics.tr_ms),
        "mr/ti_ms": _coarse(physics.ti_ms),
        "mr/flip_deg": _coarse(physics.flip_deg),
        "mr/etl": _coarse(physics.etl),
        "mr/field_t": physics.field_t,
        "mr/manufacturer": physics.manufacturer,
        "mr/acq_dim": physics.acq_dim,
        "mr/contrast": physics.contrast,
        "mr/plane": task.series.plane,
        "geom/src_spacing_mm": [placement.dy, placement.dx],
        "geom/out_spacing_mm": task.grid.spacing,
        "geom/slice_thickness_mm": first.thickness,
        "geom/slice_spacing_mm": spacing_mm,
        "geom/slice_count": len(frames),
        "geom/grid": task.grid_id,
        "id/patient": first.patient,
        "id/study": first.study,
        "id/series": task.series.volume.key,
        "id/frame_of_ref": first.frame_of_ref,
    }


def _coarse(value: float) -> float:
    """Rounds to three significant digits, because the rest is a site's fingerprint."""
    return float(f"{value:.3g}") if math.isfinite(value) else math.nan


def _slice_features(
    task: Task, frame: Frame, image: np.ndarray, window: tuple[float, float]
) -> dict:
    resampled, box = resampling.resample(image, placement_of(frame), task.grid)
    unit = intensity.scanner_to_unit(resampled, window)
    y0, x0, height, width = box
    outside = np.ones_like(unit, bool)
    outside[y0 : y0 + height, x0 : x0 + width] = False
    unit[outside] = 0.0
    inside = max(1, height * width)
    return {
        "image/data": intensity.unit_to_stored(unit),
        "image/content_box": [y0, x0, height, width],
        "foreground": float(np.count_nonzero(unit > FOREGROUND) / inside),
    }


def _position_features(task: Task, slices: list[_Slice], index: int) -> dict:
    frame = slices[index].frame
    first, last = slices[0].frame, slices[-1].frame
    from_first = volumes.depth(frame) - volumes.depth(first)
    extent = volumes.depth(last) - volumes.depth(first)
    return {
        "geom/slice_index": index,
        "geom/slice_pos_mm": from_first,
        "geom/slice_frac": from_first / extent if extent > 0 else 0.0,
        "geom/frame_pos_mm": task.grid.depth(placement_of(frame)) - task.base_depth,
    }
