"""Compares the two domains before training: what differs between them, the model learns to add.

A CycleGAN matches distributions. Where domain a shows more of the neck than domain b, or more
lesions, its discriminators reward a generator that removes necks and lesions (Cohen et al. 2018,
arXiv:1805.08841).
"""

import dataclasses

import numpy as np
from scipy import ndimage

from tfcyclegan.data import pair_fit, records
from tfcyclegan.data.head import head
from tfcyclegan.data.pairing import pair
from tfcyclegan.data.slices import Slices

SAMPLE = 500
"""Slices per domain, evenly spaced, whose pixels are looked at."""

FOCUS_AREA_MM2 = (10.0, 300.0)
FOCUS_DEPTH_MM = 20.0
"""Scalp, skull and cortex lie less deep than this under the surface of the head."""
FOCUS_DEVIATIONS = 3.0
FAR = 0.01
"""Share of the frame: pairs that have moved further are counted."""
MAD_TO_DEVIATION = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """One quantity in both domains, and how far they may be apart.

    Attributes:
        name: What is measured, with its unit.
        a: Value in domain a.
        b: Value in domain b.
        difference: How far the domains are apart, None if that is not judged.
        kind: What the difference is.
        limits: From the first on it is a finding, from the second on a serious one.
        advice: What to do about a finding.
    """

    name: str
    a: float
    b: float
    difference: float | None = None
    kind: str = ""
    limits: tuple[float, float] = (np.inf, np.inf)
    advice: str = ""

    @property
    def severity(self) -> int:
        """0: no finding, 1: a finding, 2: a serious one."""
        return 0 if self.difference is None else sum(self.difference >= x for x in self.limits)


def examine(slices_a: Slices, slices_b: Slices, stored: tuple[int, int]) -> list[Measure]:
    """Compares two domains.

    Args:
        slices_a: Slices of domain a that are not blank.
        slices_b: The same of domain b.
        stored: Records of each domain, blank slices included.
    """
    domains = slices_a, slices_b
    measures = [_blank(domains, stored)]
    if len(slices_a) and len(slices_b):
        measures += [*_counts(domains), _position(domains), *_geometry(domains), *_pixels(domains)]
        measures += _pairs(domains)
    return measures


def report(measures: list[Measure], names: tuple[str, str]) -> str:
    """Returns a table of all measures, and below it what to do about each finding.

    Args:
        measures: From `examine`.
        names: Of domain a and domain b.
    """
    width = max(len(measure.name) for measure in measures)
    lines = [f"{'':{width}}  {names[0]:>9}  {names[1]:>9}  difference"]
    for m in measures:
        difference = "" if m.difference is None else f"{m.difference:.3f} {m.kind}"
        lines.append(f"{m.name:{width}}  {m.a:9.4g}  {m.b:9.4g}  {difference}".rstrip())
    lines.append("")
    for m in measures:
        if m.severity:
            word = ("finding", "serious finding")[m.severity - 1]
            lines.append(
                f"{word}: {m.name}: the difference is {m.difference:.3f}, from"
                f" {m.limits[m.severity - 1]} on it counts. {m.advice}"
            )
    if not any(m.severity for m in measures):
        lines.append("no finding: the domains are alike in everything that is judged here")
    return "\n".join(lines)


def _relative(name: str, values: list[float], limits: tuple[float, float], advice: str) -> Measure:
    low, high = sorted(values)
    difference = (high - low) / high if high > 0 else 0.0
    return Measure(name, *values, difference, "of the larger", limits, advice)


def _blank(domains: tuple[Slices, Slices], stored: tuple[int, int]) -> Measure:
    shares = [1.0 - len(s) / count for s, count in zip(domains, stored, strict=True)]
    return Measure(
        "share of blank slices",
        *shares,
        max(shares),
        "the larger share",
        (0.05, 0.9),
        "Training leaves blank slices out. Look at the slices that --qa_sheet shows; convert again"
        " with --min_foreground, or with --slices if they are the ends of each volume.",
    )


def _counts(domains: tuple[Slices, Slices]) -> list[Measure]:
    a, b = ({key: set(s.metadata[key]) for key in ("id/patient", "id/study")} for s in domains)
    common = len(a["id/patient"] & b["id/patient"])
    return [
        Measure("patients", len(a["id/patient"]), len(b["id/patient"])),
        Measure("patients who are in both", common, common),
        Measure("studies", len(a["id/study"]), len(b["id/study"])),
        Measure("slices", len(domains[0]), len(domains[1])),
    ]


def _pairs(domains: tuple[Slices, Slices]) -> list[Measure]:
    """Says of the pairs that headers promise how many show one place, and how many have moved."""
    pairs = pair(*domains)
    if not len(pairs):
        return [Measure("pairs", 0, 0)]
    found = pair_fit.fit(pairs)
    left_out = float((~found.fits).mean())
    far = np.abs(found.shifts).max(axis=1) > FAR * pairs.a.images.shape[1]
    moved = float((far & found.fits).mean())
    studies = pairs.a.metadata["id/study"]
    apart = [s for s in np.unique(studies) if not found.fits[studies == s].any()]
    return [
        Measure("pairs", len(pairs), len(pairs)),
        Measure(
            "share of pairs that do not fit",
            *(left_out, left_out, left_out),
            "of all pairs",
            (0.05, 0.5),
            f"Their slices show different places, in {len(apart)} studies throughout. Training"
            " leaves them out. Look for a series with left and right exchanged, for one of another"
            " patient, or for motion.",
        ),
        Measure(
            "share of pairs that have moved by more than 1 %",
            *(moved, moved, moved),
            "of all pairs",
            (0.2, np.inf),
            "The patient moved between the series. Training moves the slices of the second domain"
            " back, by whole pixels. Scores on such pairs are too low: evaluation takes them as"
            " they are.",
        ),
    ]


def _position(domains: tuple[Slices, Slices]) -> Measure:
    from scipy import stats  # takes a second, and training does not need it

    positions = [s.metadata["geom/slice_frac"] for s in domains]
    return Measure(
        "relative slice position, mean",
        *[float(np.mean(p)) for p in positions],
        float(stats.ks_2samp(*positions).statistic),
        "Kolmogorov-Smirnov statistic",
        (0.15, 0.5),
        "The domains show different parts of the head: train with --match_slice_position=0.12, or"
        " convert both with the same --slices.",
    )


def _geometry(domains: tuple[Slices, Slices]) -> list[Measure]:
    fields = [float(np.mean(s.metadata["geom/out_spacing_mm"])) * records.SIZE for s in domains]
    spacings = [float(np.mean(s.metadata["geom/slice_spacing_mm"])) for s in domains]
    return [
        _relative(
            "field of view, mean, mm",
            fields,
            (0.1, 0.25),
            "Heads are larger in one domain: convert both with one --fixed_spacing.",
        ),
        _relative(
            "slice spacing, mean, mm",
            spacings,
            (0.5, np.inf),
            "Thick slices blur what thin ones show, and the model will add or remove the blur:"
            " leave out series with the other spacing by --mapping.",
        ),
        _relative(
            "height covered by a series, mean, mm",
            [_covered(s) for s in domains],
            (0.2, 0.5),
            "Series of one domain reach further: convert them with --slices.",
        ),
    ]


def _covered(slices: Slices) -> float:
    series, positions = slices.metadata["id/series"], slices.metadata["geom/frame_pos_mm"]
    return float(
        np.mean([np.ptp(positions[series == series_id]) for series_id in np.unique(series)])
    )


def _pixels(domains: tuple[Slices, Slices]) -> list[Measure]:
    samples = [s.take(np.unique(np.linspace(0, len(s) - 1, SAMPLE).astype(int))) for s in domains]
    units = [s.unit()[..., 0] for s in samples]
    heads = [head(unit[..., np.newaxis]) for unit in units]
    return [
        _relative(
            "share of foreground, mean",
            [float(np.mean(h)) for h in heads],
            (0.15, 0.4),
            "Heads fill more of the frame in one domain: compare field of view and position above,"
            " and look at the slices that --qa_sheet shows.",
        ),
        Measure("unit intensity, mean", *[float(np.mean(unit)) for unit in units]),
        Measure("unit intensity, standard deviation", *[float(np.std(unit)) for unit in units]),
        _foci(samples, units, heads),
    ]


def _foci(samples: list[Slices], units: list, heads: list) -> Measure:
    """Prevalence of bright foci; judged by how much more it differs than within one patient.

    Fluid is bright in one sequence and dark in the other, so the prevalence of healthy heads
    differs too. Patients who are in both domains show by how much; without them nothing is judged.
    """
    patients = [s.metadata["id/patient"] for s in samples]
    in_both = np.intersect1d(*patients)
    bright, expected = [], []
    for s, unit, masks, ids in zip(samples, units, heads, patients, strict=True):
        pixel = s.metadata["geom/out_spacing_mm"] * records.SIZE / unit.shape[1]
        has_focus = np.array([has_bright_focus(*x) for x in zip(unit, masks, pixel, strict=True)])
        bright.append(float(np.mean(has_focus)))
        expected.append(
            float(np.mean(has_focus[np.isin(ids, in_both)])) if len(in_both) else np.nan
        )
    excess = abs((bright[0] - bright[1]) - (expected[0] - expected[1]))
    return Measure(
        "share of slices with a bright focus (a proxy of lesions)",
        *bright,
        excess if len(in_both) else None,
        "beyond that of patients who are in both",
        (0.2, np.inf),
        "Patients with lesions may stand in one domain only, and the model would then add or remove"
        " lesions: look at the slices, and balance the patients by --mapping.",
    )


def has_bright_focus(image: np.ndarray, mask: np.ndarray, pixel_mm: float) -> bool:
    """Tells whether a slice holds a small bright group of pixels deep inside the head.

    Small is `FOCUS_AREA_MM2`; bright is `FOCUS_DEVIATIONS` robust standard deviations above the
    median of what lies `FOCUS_DEPTH_MM` under the surface. A lesion is such a focus on FLAIR; so
    are parts of the ventricles on T2, and arteries and artefacts on both.

    Args:
        image: [H, W], unit range.
        mask: The head, bool [H, W].
        pixel_mm: Height and width of a pixel.
    """
    deep = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * pixel_mm > FOCUS_DEPTH_MM
    if not deep.any():
        return False
    values = image[deep]
    middle = np.median(values)
    deviation = MAD_TO_DEVIATION * np.median(np.abs(values - middle))
    groups, count = ndimage.label((image > middle + FOCUS_DEVIATIONS * deviation) & deep)
    areas = np.bincount(groups.ravel(), minlength=count + 1)[1:] * pixel_mm**2
    return bool(np.any((areas >= FOCUS_AREA_MM2[0]) & (areas <= FOCUS_AREA_MM2[1])))
