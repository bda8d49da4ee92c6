"""Whether the two slices of a pair show one place after all, and how far one has moved.

Header fields say that T2 and FLAIR were scanned in one space. They do not say that the patient lay
still in between, nor that a converter kept left and right.
"""

import dataclasses
import hashlib

import numpy as np
from scipy import fft, ndimage

from tfcyclegan.data.pairing import Pairs

REACH = 16
"""What this part of the frame is as far as a slice is looked for: 8 pixels of 128."""
LOOKED_AT = 128
"""Pixels a side that are looked at: at least this, and less than twice as many."""
SMALLEST = 64
"""Below so many pixels a side a slice and the next one cannot be told apart: all pairs count."""
ELSEWHERE_MM = 5.0
"""A slice that lies so much further away than the partner shows another place."""
STRANGERS = 3
"""Slices of other patients that a partner is compared with."""
BATCH = 64
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

    def described(self) -> dict[str, int]:
        """Returns how many pairs do not fit, and how many that fit have moved, and how far."""
        distances = np.abs(self.shifts[self.fits]).max(axis=1, initial=0)
        return {
            "n_left_out": int((~self.fits).sum()),
            "n_moved": int((distances > 0).sum()),
            "moved_pixels_max": int(distances.max(initial=0)),
        }

    def digest(self) -> str:
        """Returns 32 hex digits that stand for all that was found."""
        found = np.column_stack([self.shifts, self.fits]).astype("<i8")
        return hashlib.sha256(found.tobytes()).hexdigest()[:32]

    def applied(self, pairs: Pairs) -> Pairs:
        """Returns the pairs that fit, with the slices of b where they belong, by whole pixels."""
        kept = np.flatnonzero(self.fits)
        pairs = pairs.take(kept)
        for image, shift in zip(pairs.b.images, self.shifts[kept], strict=True):
            if shift.any():
                image[:] = moved(image, shift)
        return pairs


def fit(pairs: Pairs) -> PairFit:
    """Looks for each slice of b near where its partner of a is, and says whether it is there.

    What is compared are directions of edges, whichever side is brighter: normalised gradient
    fields (Haber and Modersitzki 2006, doi:10.1007/11866763_89), at every shift of up to a
    sixteenth of the frame. A pair fits if its own partner agrees better, at its best shift, than

    * the partners before and after it that lie at least 5 mm further away: else one of the two
      series has moved along the head;
    * the partner's own mirror image: else a reader of files has exchanged left and right;
    * the partners of three slices of other patients, those nearest to it in height: else it is
      another patient's, or blurred by motion;

    and if the best shift does not lie at the end of the search. Where that leaves out more than
    half of the pairs of a study, the study is left out. Slices of fewer than 64 pixels a side are
    taken as they are.

    Args:
        pairs: In the order of `Slices`.
    """
    count = len(pairs)
    fits, at = np.ones(count, bool), np.zeros((count, 2))
    size = pairs.a.images.shape[1]
    if not count or size < SMALLEST:
        return PairFit(at.astype(int), fits)
    factor = max(1, size // LOOKED_AT)
    rivals = np.stack([*_elsewhere(pairs), *_strangers(pairs)])
    for rows in np.array_split(np.arange(count), -(-count // BATCH)):
        source = _edges(pairs.a.images[rows], factor)
        partner = pairs.b.images[rows]
        agreement, at[rows] = _best(source, _edges(partner, factor))
        others = [_edges(partner[:, :, ::-1], factor)]
        others += [_edges(pairs.b.images[rival[rows]], factor) for rival in rivals]
        for other in others:
            fits[rows] &= agreement >= _best(source, other)[0] - TIE
    fits &= np.abs(at).max(axis=1) < size // factor // REACH
    studies = pairs.a.metadata["id/study"]
    for study in np.unique(studies):
        of_study = studies == study
        fits[of_study] &= fits[of_study].mean() >= 0.5
    return PairFit(np.round(at * factor).astype(int), fits)


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


def _elsewhere(pairs: Pairs) -> list[np.ndarray]:
    """Returns the nearest rows on either side whose slice of b is elsewhere, int [P] each.

    Of the same study; a row's own where there is none.
    """
    place_a, place_b = (s.metadata["geom/frame_pos_mm"] for s in (pairs.a, pairs.b))
    studies, rows = pairs.a.metadata["id/study"], np.arange(len(pairs))
    found = [rows.copy(), rows.copy()]
    for study in np.unique(studies):
        own = np.flatnonzero(studies == study)
        away = place_b[own].astype(np.float64)[np.newaxis] - place_a[own][:, np.newaxis]
        least = np.abs(np.diagonal(away))[:, np.newaxis] + ELSEWHERE_MM
        for side, signed in zip(found, (away, -away), strict=True):
            beyond = np.where(signed >= least, signed, np.inf)
            nearest = beyond.argmin(axis=1)
            known = np.isfinite(beyond[np.arange(len(own)), nearest])
            side[own[known]] = own[nearest[known]]
    return found


def _strangers(pairs: Pairs) -> list[np.ndarray]:
    """Returns for each pair rows of other patients that are nearest in height, int [P] each.

    A row's own where there are no more pairs of others.
    """
    owners, heights = (pairs.a.metadata[key] for key in ("id/patient", "geom/slice_frac"))
    found = np.tile(np.arange(len(pairs)), (STRANGERS, 1))
    for rows in np.array_split(np.arange(len(pairs)), -(-len(pairs) // BATCH)):
        distance = np.abs(heights[rows][:, np.newaxis] - heights[np.newaxis])
        distance[owners[rows][:, np.newaxis] == owners[np.newaxis]] = np.inf
        nearest = distance.argsort(axis=1, kind="stable")[:, :STRANGERS]
        known = np.isfinite(np.take_along_axis(distance, nearest, axis=1))
        for place in range(nearest.shape[1]):
            found[place, rows[known[:, place]]] = nearest[known[:, place], place]
    return list(found)


def _edges(images: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `_best` compares of images [N, H, W].

    Normalised gradients g, down and across, whose length goes from 0 in flat regions to 1 at strong
    edges: the spectrum of their products, complex64 [N, 3, h, w'], and the sum of their squares
    [N], as (g.k)^2 is a sum of three products.
    """
    images = images.astype(np.float32)
    if factor > 1:
        count, side = len(images), images.shape[1] // factor
        images = images[:, : side * factor, : side * factor]
        images = images.reshape(count, side, factor, side, factor).mean(axis=(2, 4))
    smooth = ndimage.gaussian_filter(images, (0, 1, 1))
    down, across = np.gradient(smooth, axis=(1, 2))
    steep = np.sqrt(down**2 + across**2)
    noise = EDGE * np.percentile(steep, 99, axis=(1, 2), keepdims=True) + 1e-6
    length = np.sqrt(steep**2 + noise**2)
    down, across = down / length, across / length
    products = np.stack([down * down, across * across, down * across], axis=1)
    return fft.rfft2(products.astype(np.float32)), (down**2 + across**2).sum(axis=(1, 2))


def _best(one: tuple, other: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Returns how well edges agree at the best shift, [N] from 0 to 1, and that shift, [N, 2].

    The sum over pixels of the squared scalar product of two gradients, at all shifts at once by the
    Fourier transform; between pixels by a parabola.

    Args:
        one: Of `_edges`.
        other: The same; the shift is what moves it onto the first.
    """
    spectrum = one[0] * np.conj(other[0])
    total = spectrum[:, 0] + spectrum[:, 1] + 2.0 * spectrum[:, 2]
    size = one[0].shape[2]
    reach = size // REACH
    found = fft.irfft2(total, s=(size, size))
    found = np.roll(found, (reach, reach), axis=(1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
    shifts = []
    for agreement in found:
        row, column = np.unravel_index(agreement.argmax(), agreement.shape)
        finer = _vertex(agreement[:, column], row), _vertex(agreement[row], column)
        shifts.append((row - reach + finer[0], column - reach + finer[1]))
    strength = np.sqrt(one[1] * other[1])
    return found.max(axis=(1, 2)) / np.maximum(strength, 1e-6), np.array(shifts)


def _vertex(values: np.ndarray, at: int) -> float:
    """Returns how far from the largest of values [K] the top of the parabola through it lies."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = (float(v) for v in values[at - 1 : at + 2])
    return 0.5 * (before - after) / min(before - 2.0 * top + after, -1e-12)
