"""Lesions kept and spots invented, of volumes whose records have masks of both lesion and brain.

There is no real target to compare with, so the threshold is the synthetic volume's own.
"""

from collections.abc import Sequence

import numpy as np

from tfcyclegan.data import intensity, slices


def fate(records: Sequence[dict], images: np.ndarray) -> tuple[int, int, int] | None:
    """Returns (lesions kept, lesions, spots elsewhere in the brain), or None without masks.

    A lesion is a connected part of a slice's mask; it is kept where a spot of the thresholder of
    evaluation touches it. Only slices that have both masks count.

    Args:
        records: Of one volume.
        images: What was made of them, float32 [S, n, n], unit range.
    """
    masked = [
        place
        for place, record in enumerate(records)
        if record["mask/lesion"] is not None and record["mask/brain"] is not None
    ]
    size = images.shape[-1]
    lesion, brain = (
        _resampled([records[place][name] for place in masked], size)
        for name in ("mask/lesion", "mask/brain")
    )
    if not lesion.any():
        return None
    # Imported late: most translations have no masks, and start sooner without statistics.
    from tfcyclegan.metrics import lesion_spots

    brain |= lesion
    synthetic = images[masked]
    threshold = lesion_spots.threshold_of(synthetic[brain].astype(np.float64))
    marked = lesion_spots.spots_of(synthetic, brain, np.full(len(synthetic), threshold))
    counts = [lesion_spots.count(mask, spot) for mask, spot in zip(lesion, marked, strict=True)]
    kept, total, elsewhere = np.sum(counts, axis=0)
    return int(kept), int(total), int(elsewhere)


def _resampled(masks: list[np.ndarray], size: int) -> np.ndarray:
    """Returns masks of another size, bool [N, size, size]: where half a pixel or more was set."""
    if not masks:
        return np.zeros((0, size, size), bool)
    full = np.stack(masks).astype(np.uint16) * intensity.STORED_MAX
    return slices.resample(full, size) > intensity.STORED_MAX // 2
