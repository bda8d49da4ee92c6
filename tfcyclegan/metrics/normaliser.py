"""One affine map for both images of a pair, from the real one: what makes paired scores comparable.

An image divided by its own maximum or mean hides its own error of gain: 0.8 times the truth scores
333 dB after division by the maximum, 21.7 dB on a common scale.
"""

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np

NAME = "reference_brain_p0.5-99.5"
VERSION = 1
PERCENTILES = (0.5, 99.5)
"""Of the reference volume's brain voxels; they become 0 and 1."""


@dataclasses.dataclass(frozen=True)
class ReferenceNormaliser:
    """Maps slices by the window of the real volume they are compared with, clipped to [0, 1].

    Attributes:
        windows: Volume id to (lo, hi), the intensities that become 0 and 1. Volumes whose brain
            mask is empty or constant have none.
    """

    windows: dict[Hashable, tuple[float, float]]

    @classmethod
    def of(
        cls, reference: np.ndarray, brain: np.ndarray, volumes: Sequence[Hashable]
    ) -> "ReferenceNormaliser":
        """Returns the normaliser of real volumes.

        Args:
            reference: Real slices [N, H, W] or [N, H, W, 1], any unit.
            brain: Boolean [N, H, W].
            volumes: N ids; slices with equal ids share a window.
        """
        reference = np.asarray(reference).reshape(brain.shape)
        groups: dict[Hashable, list[int]] = {}
        for row, volume in enumerate(volumes):
            groups.setdefault(volume, []).append(row)
        windows = {}
        for volume, rows in groups.items():
            voxels = reference[rows][brain[rows]].astype(np.float64)
            lo, hi = np.percentile(voxels, PERCENTILES) if voxels.size else (0.0, 0.0)
            if hi > lo:
                windows[volume] = (float(lo), float(hi))
        return cls(windows)

    def __call__(self, images: np.ndarray, volumes: Sequence[Hashable]) -> np.ndarray:
        """Returns float64 [N, H, W] in [0, 1] of slices [N, H, W] or [N, H, W, 1].

        Raises:
            KeyError: A volume has no window.
        """
        images = np.asarray(images, np.float64)
        images = images[..., 0] if images.ndim == 4 else images
        lo, hi = np.array([self.windows[volume] for volume in volumes]).reshape(-1, 2).T
        return np.clip((images - lo[:, None, None]) / (hi - lo)[:, None, None], 0.0, 1.0)

    @staticmethod
    def describe() -> dict:
        """Returns the name, version and rule that stand in every report."""
        return {
            "name": NAME,
            "version": VERSION,
            "percentiles": list(PERCENTILES),
            "rule": "affine map of each pair by the real target volume's brain voxels, clipped to"
            " [0, 1], data range 1",
        }
