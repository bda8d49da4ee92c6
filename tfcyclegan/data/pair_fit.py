"""Whether the two slices of a pair show one place after all, and how far one has moved.

Header fields say that T2 and FLAIR were scanned in one space. They do not say that the patient lay
still in between, nor that a converter kept left and right.
"""

import dataclasses

import numpy as np
from scipy import fft, ndimage

from tfcyclegan.data.pairing import Pairs

REACH = 16
"""What this part of the frame is as far as a slice is looked for: 8 pixels of 128."""
LOOKED_AT = 128
"""Pixels a side that are looked at, at most."""
STRANGERS = 3
"""Slices of other patients that a partner is compared with."""
BATCH = 64
SMALLEST = 64
"""Below so many pixels a side a slice and the next one cannot be told apart: all pairs count."""
TIE = 1e-6
"""Slices that are the same agree equally well."""
EDGE = 0.05
"""Gradients below this share of a slice's strong ones count as noise."""


@dataclasses.dataclass(frozen=True)
class PairFit:
    """What `fit` found.

    Args:
        shifts: int [P, 2]: rows and columns by which the slice of b has to move to lie on that of
            a; of all pairs.
        fits: bool [P]: whether it fits then.
    """

    shifts: np.ndarray
    fits: np.ndarray

    def described(self) -> dict:
        """Returns what run.json says of it."""
        distances = np.abs(self.shifts[self.fits]).max(axis=1, initial=0)
        return {
            "n_left_out": int((~self.fits).sum()),
            "n_moved": int((distances > 0).sum()),
            "moved_pixels_max": int(distances.max(initial=0)),
        }

    def applied(self, pairs: Pairs) -> Pairs:
        """Returns the pairs that fit, with the slices of b where they belong, by whole pixels."""
        kept = np.flatnonzero(self.fits)
        pairs = pairs.take(kept)
        images = pairs.b.images.copy()
        for i, shift in enumerate(self.shifts[kept]):
            if shift.any():
                images[i] = moved(images[i], shift)
        return dataclasses.replace(pairs, b=dataclasses.replace(pairs.b, images=images))


def fit(pairs: Pairs) -> PairFit:
    """Looks for each slice of b near where its partner of a is, and says whether it is there.

    What is compared are directions of edges, whichever side is brighter: normalised gradient
    fields (Haber and Modersitzki 2006, doi:10.1007/11866763_89), at every shift of up to a
    sixteenth of the frame. A pair fits if its own partner agrees better, at its best shift, than

    * the partners of the slices before and after it: else one has moved along the other axis;
    * the partner's own mirror image: else a reader of files has exchanged left and right;
    * the partners of three slices of other patients, those nearest to it in height: else it is
      another patient's, or blurred by motion;

    and if the best shift does not lie at the end of the search. Where that leaves out more than
    half of the pairs of a study, the study is left out. Slices of fewer than 64 pixels a side are
    taken as they are.

    Args:
        pairs: In the order of `Slices`.
    """
    if not len(pairs) or pairs.a.images.shape[1] < SMALLEST:
        return PairFit(np.zeros((len(pairs), 2), int), np.ones(len(pairs), bool))
    factor = max(1, pairs.a.images.shape[1] // LOOKED_AT)
    edges_a, edges_b = (_edges(s.unit()[..., 0], factor) for s in (pairs.a, pairs.b))
    rows = np.arange(len(pairs))
    agreement, at = _best(edges_a, edges_b, rows)
    mirrored = edges_b[:, :, :, ::-1] * np.array([1, -1], np.float32)[:, None, None]
    fits = agreement >= _best(edges_a, mirrored, rows)[0] - TIE
    fits &= np.abs(at).max(axis=1) < edges_a.shape[2] // REACH
    studies = pairs.a.metadata["id/study"]
    for other in (*_next(studies), *_strangers(pairs)):
        fits &= agreement >= _best(edges_a, edges_b, other)[0] - TIE
    for study in np.unique(studies):
        of_study = studies == study
        fits[of_study] &= fits[of_study].mean() >= 0.5
    return PairFit(np.round(at * factor).astype(int), fits)


def _next(studies: np.ndarray) -> list[np.ndarray]:
    """Returns the row before and after each row of the same study, its own where there is none."""
    rows = np.arange(len(studies))
    found = [np.clip(rows + step, 0, len(rows) - 1) for step in (-1, 1)]
    return [np.where(studies[other] == studies, other, rows) for other in found]


def moved(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Returns an image [H, W] moved down and to the right by whole pixels, air behind it."""
    result = np.zeros_like(image)
    (to_row, from_row), (to_column, from_column) = (_overlap(int(s)) for s in shift)
    result[to_row, to_column] = image[from_row, from_column]
    return result


def _overlap(shift: int) -> tuple[slice, slice]:
    """Returns where pixels go to along an axis, and where they come from."""
    if shift >= 0:
        return slice(shift, None), slice(None, -shift or None)
    return slice(None, shift), slice(-shift, None)


def _strangers(pairs: Pairs) -> list[np.ndarray]:
    """Returns for each pair the pairs of other patients that are nearest in height, int [P] each.

    Fewer than `STRANGERS` where there are no more pairs of others.
    """
    owners, heights = (pairs.a.metadata[key] for key in ("id/patient", "geom/slice_frac"))
    distance = np.abs(heights[:, np.newaxis] - heights[np.newaxis])
    distance = np.where(owners[:, np.newaxis] == owners[np.newaxis], np.inf, distance)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :STRANGERS]
    known = np.isfinite(np.take_along_axis(distance, nearest, axis=1)).all(axis=0)
    return [nearest[:, i] for i in np.flatnonzero(known)]


def _edges(images: np.ndarray, factor: int) -> np.ndarray:
    """Returns the normalised gradients of images [N, H, W]: down and across, float32 [N, 2, h, w].

    Their length goes from 0 in flat regions to 1 at strong edges.
    """
    if factor > 1:
        count, height, width = images.shape
        blocks = images.reshape(count, height // factor, factor, width // factor, factor)
        images = blocks.mean(axis=(2, 4))
    smooth = ndimage.gaussian_filter(images, (0, 1, 1))
    slopes = np.stack(np.gradient(smooth, axis=(1, 2)), axis=1)
    steep = np.sqrt((slopes**2).sum(axis=1, keepdims=True))
    noise = EDGE * np.percentile(steep, 99, axis=(2, 3), keepdims=True) + np.finfo(np.float32).eps
    return (slopes / np.sqrt(steep**2 + noise**2)).astype(np.float32)


def _best(edges_a: np.ndarray, edges_b: np.ndarray, other: np.ndarray) -> tuple:
    """Returns how well edges agree at the best shift, [P] from 0 to 1, and that shift, [P, 2].

    The sum over pixels of the squared scalar product, over all shifts at once by the Fourier
    transform; between pixels by a parabola.

    Args:
        edges_a: Of `_edges`.
        edges_b: The same.
        other: Row of `edges_b` for each of `edges_a`.
    """
    reach = edges_a.shape[2] // REACH
    values, shifts = [], []
    for start in range(0, len(other), BATCH):
        a, b = edges_a[start : start + BATCH], edges_b[other[start : start + BATCH]]
        products = [fft.rfft2(_products(edges)) for edges in (a, b)]
        products[0][:, 2] *= 2.0
        spectrum = (products[0] * np.conj(products[1])).sum(axis=1)
        found = fft.irfft2(spectrum, s=a.shape[2:])
        found = np.roll(found, (reach, reach), axis=(1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
        strength = [(edges**2).sum(axis=(1, 2, 3)) for edges in (a, b)]
        for agreement, energy in zip(found, np.sqrt(strength[0] * strength[1]), strict=True):
            row, column = np.unravel_index(agreement.argmax(), agreement.shape)
            values.append(agreement[row, column] / max(float(energy), 1e-9))
            finer = _vertex(agreement[:, column], row), _vertex(agreement[row], column)
            shifts.append((row - reach + finer[0], column - reach + finer[1]))
    return np.array(values), np.array(shifts)


def _products(edges: np.ndarray) -> np.ndarray:
    """Returns what the squared scalar product of two gradients is a sum of, [N, 3, h, w]."""
    down, across = edges[:, 0], edges[:, 1]
    return np.stack([down * down, across * across, down * across], axis=1)


def _vertex(values: np.ndarray, at: int) -> float:
    """Returns how far from the largest of values [K] the top of the parabola through it lies."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = (float(v) for v in values[at - 1 : at + 2])
    return 0.5 * (before - after) / min(before - 2.0 * top + after, -1e-12)
