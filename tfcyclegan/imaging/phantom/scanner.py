"""From tissue fractions to the T2 and FLAIR series that a 3 T scanner would store."""

import dataclasses

import numpy as np
from scipy import ndimage

from tfcyclegan.imaging.phantom import shapes
from tfcyclegan.imaging.phantom.anatomy import Grid
from tfcyclegan.imaging.phantom.tissues import CSF, TISSUES, Protocol, nulling_ti, signal

STORED_MAX = 4095
"""Scanners store 12 bits."""


@dataclasses.dataclass(frozen=True)
class Series:
    """One acquired series: uint16 pixels [slices, rows, columns] of 12 bits, and its protocol."""

    sequence: str
    protocol: Protocol
    pixels: np.ndarray


def draw_protocols(rng: np.random.Generator) -> dict[str, Protocol]:
    """Draws the timings of a T2 TSE and of a FLAIR that nulls CSF; whole ms, as on a console."""
    tr = float(round(rng.uniform(8000, 9000), -2))
    return {
        "t2": Protocol(float(round(rng.uniform(4000, 6000), -2)), float(rng.integers(90, 103))),
        "flair": Protocol(
            tr, float(rng.integers(95, 126)), float(round(nulling_ti(CSF.t1_ms, tr))), 21
        ),
    }


def noise_free(fractions: dict[str, np.ndarray], protocol: Protocol) -> np.ndarray:
    """Returns the signed magnetisation of each voxel, the sum over the tissues it holds."""
    return sum(
        np.float32(signal(TISSUES[name], protocol)) * share for name, share in fractions.items()
    )


def scan(
    fractions: dict[str, np.ndarray], grid: Grid, rng: np.random.Generator
) -> dict[str, Series]:
    """Acquires T2 and FLAIR of one head that does not move between them.

    Tissue texture is the head's, so both series share it; receive field, gain and noise belong to
    each series. The magnitude of a signal with complex Gaussian noise is Rician: Gudbjartsson and
    Patz 1995, MRM 34:910, doi:10.1002/mrm.1910340618.

    Returns:
        "t2" and "flair" to their series.
    """
    axes = grid.positions(), grid.in_plane(), grid.in_plane()
    texture = 1 + 0.012 * shapes.wave_field(rng, axes, 4.0) + 0.01 * shapes.wave_field(rng, axes, 9)
    return {
        sequence: Series(sequence, protocol, _acquire(fractions, texture, protocol, axes, rng))
        for sequence, protocol in draw_protocols(rng).items()
    }


def _acquire(fractions, texture, protocol: Protocol, axes, rng) -> np.ndarray:
    field = np.exp(np.float32(0.10) * shapes.wave_field(rng, axes, 70.0))
    clean = noise_free(fractions, protocol) * texture * field
    # FLAIR is usually acquired with the coarser matrix of the two.
    blur = 0.55 if protocol.ti_ms else 0.4
    clean = ndimage.gaussian_filter(clean, (0, blur, blur))
    white = signal(TISSUES["white"], protocol)
    sigma = np.float32(white / rng.uniform(22, 34))
    noise = rng.standard_normal((2, *clean.shape), dtype=np.float32) * sigma
    magnitude = np.hypot(clean + noise[0], noise[1])
    gain = rng.uniform(220, 420) / white
    return np.clip(np.rint(magnitude * gain), 0, STORED_MAX).astype(np.uint16)
