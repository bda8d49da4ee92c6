"""The features of a record, from decoded slices: window, grid, and where each slice lies."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from tfcyclegan.data import intensity, windows
from tfcyclegan.data.intensity import FOREGROUND
from tfcyclegan.data.records import MASKS, SIZE
from tfcyclegan.imaging import reformat, resampling, volumes
from tfcyclegan.imaging.dicom import demographics
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.imaging.reformat import Lattice
from tfcyclegan.ingest import face_slices
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.ingest.plan import FEWEST_SLICES, Task
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.privacy.reasons import Refusal


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """A decoded slice.

    Attributes:
        frame: Its header.
        stored: As in the file, before rescaling, integers or float32 [rows, columns].
        padded: True where a voxel is padding [rows, columns], or None if none is.
        masks: Of records.MASKS to bool [height, width], those that there are, in canonical display.
        defaced: The image without the face, where a program removed it; `image` then returns it.
    """

    frame: Frame
    stored: np.ndarray
    padded: np.ndarray | None
    masks: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    defaced: np.ndarray | None = None

    def image(self) -> np.ndarray:
        """Returns scanner units in canonical display, float32 [height, width]."""
        if self.defaced is not None:
            return self.defaced
        # Turned first, because turning floats would copy twice as much.
        image = self._displayed(self.stored).astype(np.float32, order="C")
        image *= np.float32(self.frame.slope)
        image += np.float32(self.frame.intercept)
        return image

    def valid(self) -> np.ndarray:
        """Returns False where a voxel is padding, bool [height, width] in canonical display."""
        height_width = self._displayed(self.stored).shape
        return np.ones(height_width, bool) if self.padded is None else ~self._displayed(self.padded)

    def _displayed(self, image: np.ndarray) -> np.ndarray:
        return placement_of(self.frame).axes.display(image)


def records_of(
    task: Task, slices: list[Slice], settings: Settings
) -> tuple[list[dict], list[tuple[Frame, str]]]:
    """Windows and resamples a volume, slice by slice.

    Args:
        task: The volume's place.
        slices: Decoded, in ascending order.
        settings: Window, and which slices are kept.

    Returns:
        (features of each slice that is kept, (frame, reason) of the others). The features are those
        of records.FIELDS without prov/*.

    Raises:
        Refusal: too_few_slices, gap or empty_volume.
    """
    if len(slices) < FEWEST_SLICES:
        raise Refusal("too_few_slices")
    if (settings.require_complete or task.target) and _incomplete(task, slices):
        raise Refusal("gap")
    if task.target:
        slices = _reformatted(task.target, slices)
    images, window = _windowed(slices, settings.percentiles)
    common = _volume_features(task, [item.frame for item in slices], window)
    if settings.with_demographics:
        common |= demographics.of_volume(task.series.volume.frames)
    candidates = []
    for index, (item, image) in enumerate(zip(slices, images, strict=True)):
        features = _slice_features(task, item.frame, image, window)
        place = _position_features(task, slices, index)
        candidates.append({**common, **features, **_mask_features(task, item), **place})
    below = (
        face_slices.find(candidates, FOREGROUND)
        if settings.brain_only
        else [False] * len(candidates)
    )
    records, dropped = [], []
    for item, record, hidden in zip(slices, candidates, below, strict=True):
        reason = _objection(record, settings) or ("below_brain" if hidden else "")
        # It served the choice of slices; records have no such feature.
        del record["foreground"]
        if reason:
            dropped.append((item.frame, reason))
        else:
            records.append(record)
    return records, dropped


def _objection(record: dict, settings: Settings) -> str:
    """Returns why a slice is not kept, or an empty string."""
    if not settings.slices[0] <= record["geom/slice_frac"] <= settings.slices[1]:
        return "outside_slices"
    return "low_foreground" if record["foreground"] < settings.min_foreground else ""


def _windowed(
    slices: list[Slice], percentiles: windows.Percentiles
) -> tuple[Iterable[np.ndarray], tuple[float, float]]:
    """Returns the images of a volume in scanner units, and its window."""
    valid, inverted = _valid(slices), slices[0].frame.layout.inverted
    scales = {(item.frame.slope, item.frame.intercept) for item in slices}
    plain = (
        slices[0].defaced is None
        and valid is None
        and not inverted
        and len(scales) == 1
        and min(scales)[0] > 0
    )
    try:
        if plain:
            # True of most volumes. No copy of all voxels is made.
            stored = [item.stored for item in slices]
            window = windows.volume_window(stored, None, percentiles, scales.pop())
            return (item.image() for item in slices), window
        volume = np.stack([item.image() for item in slices])
        volume = _inverted(volume, valid) if inverted else volume
        window = windows.volume_window(volume, valid, percentiles)
    except ValueError as error:
        raise Refusal("empty_volume") from error
    if valid is not None:
        # Padding is background; left as it is, resampling would smear it into the image.
        volume[~valid] = window[0]
    return volume, window


def _incomplete(task: Task, slices: list[Slice]) -> bool:
    """Tells whether slices of the volume could not be read."""
    decoded_depths, planned_depths = (
        {volumes.depth(f) for f in frames}
        for frames in ((item.frame for item in slices), task.series.volume.frames)
    )
    return decoded_depths != planned_depths


def _reformatted(target: Lattice, slices: list[Slice]) -> list[Slice]:
    """Returns the slices of another plane; what lies outside the volume is padding."""
    source = reformat.lattice_of([placement_of(item.frame) for item in slices])
    if source is None:
        raise Refusal("gap")
    images = reformat.sample(np.stack([item.image() for item in slices]), source, target)
    # The slices of a lattice are in canonical display and in scanner units as they are.
    template = dataclasses.replace(slices[0].frame, slope=1.0, intercept=0.0)
    reformatted = [
        Slice(frame, image, outside if outside.any() else None)
        for frame, (image, outside) in zip(target.frames(template), images, strict=True)
    ]
    valid = _valid(slices)
    if valid is None:
        return reformatted
    # A voxel that padding has any part in is padding.
    shares = reformat.sample((~valid).astype(np.float32), source, target)
    return [
        Slice(item.frame, item.stored, outside | (share > 0))
        for item, (share, outside) in zip(reformatted, shares, strict=True)
    ]


def _valid(slices: list[Slice]) -> np.ndarray | None:
    if all(item.padded is None for item in slices):
        return None
    return np.stack([item.valid() for item in slices])


def _inverted(volume: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Turns MONOCHROME1 (low is white) into MONOCHROME2 by max + min - x.

    This is done in scanner units and over the whole volume. Slice by slice, each slice would get an
    offset of its own. So it would in stored values where the rescale slope varies by slice.
    """
    voxels = volume if valid is None else volume[valid]
    if voxels.size == 0:
        raise Refusal("empty_volume")
    return voxels.max() + voxels.min() - volume


def _volume_features(task: Task, frames: list[Frame], window: tuple[float, float]) -> dict:
    first, physics = frames[0], frames[0].physics
    placement = placement_of(first)
    spacing_mm, _ = volumes.spacing(frames)
    return {
        "image/height": SIZE,
        "image/width": SIZE,
        "image/channels": 1,
        "image/bits": 16,
        "image/scale_lo": window[0],
        "image/scale_hi": window[1],
        "series/class": task.series.sequence,
        "series/class_source": task.series.class_source,
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
        "mr/plane": task.plane,
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


def _mask_features(task: Task, item: Slice) -> dict:
    placement = placement_of(item.frame)
    return {
        f"mask/{name}": resampling.nearest(item.masks[name], placement, task.grid)
        if name in item.masks
        else None
        for name in MASKS
    }


def _position_features(task: Task, slices: list[Slice], index: int) -> dict:
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
