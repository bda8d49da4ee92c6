"""One domain without lesions: a stress test of what a shift of their prevalence does.

A model that matches distributions removes lesions on the way to a domain that has none, and may
invent them on the way to one that has (Cohen et al. 2018, arXiv:1805.08841).
"""

from tfcyclegan.data.slices import Slices
from tfcyclegan.errors import UserError

MASK = "lesion"
"""What `load_slices` must be asked for."""


def lesion_free(slices: Slices) -> Slices:
    """Returns the slices whose lesion mask is empty, in the same order.

    A slice without a mask may have a lesion, and is left out too.

    Args:
        slices: Loaded with `MASK`.

    Raises:
        UserError: No slice has a mask, or each of them has a lesion.
    """
    has_mask = slices.metadata[f"mask/{MASK}"]
    if not has_mask.any():
        raise UserError(
            "--drop_lesions needs records with lesion masks. None of the slices that are trained on"
            " has one: convert with lesion masks, by tools/nifti_to_tfrecord.py."
        )
    free = has_mask & slices.metadata[f"empty/{MASK}"]
    if not free.any():
        raise UserError(
            f"--drop_lesions leaves nothing to train on: all {has_mask.sum()} slices with a lesion"
            " mask have a lesion. Convert with other --slices, or leave the flag out."
        )
    return slices.take(free.nonzero()[0])
