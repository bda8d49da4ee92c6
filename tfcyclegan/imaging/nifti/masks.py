"""Masks of a volume: on its voxels, or not at all."""

import nibabel.orientations
import numpy as np

from tfcyclegan.imaging.nifti import images, slicing
from tfcyclegan.imaging.nifti.files import MaskFile
from tfcyclegan.privacy.reasons import Refusal

INSIDE = 0.5
"""A value above this is inside: label maps count from 1, and probabilities are cut in half."""


def read(item: MaskFile, blob: bytes) -> np.ndarray:
    """Returns a mask on the voxels of its volume, bool [slices, rows, columns] as the volume's.

    The axes of the two files may differ in order and direction, their voxels not.

    Args:
        item: The mask.
        blob: Its content.

    Raises:
        Refusal: mask_mismatch, not_finite, or what makes an image unreadable.
    """
    mask = images.parse(blob)
    volume = images.parse(item.volume.read())
    transform = np.linalg.inv(volume.affine) @ mask.affine
    turn = nibabel.orientations.io_orientation(transform)
    back = nibabel.orientations.inv_ornt_aff(turn, mask.shape)
    shape = tuple(mask.shape[int(axis)] for axis in np.argsort(turn[:, 0]))
    if shape != volume.shape or not images.same_voxels(transform @ back, shape):
        raise Refusal("mask_mismatch")
    values = images.stored(blob, mask) * mask.slope + mask.intercept
    if not np.all(np.isfinite(values)):
        raise Refusal("not_finite")
    inside = nibabel.orientations.apply_orientation(values > INSIDE, turn)
    return slicing.stacked(inside, slicing.slice_axis(volume, item.volume.plane))
