"""What names of metrics.json mean to a reader: label, unit, which way is better, decimals."""

import dataclasses
import re

DIRECTIONS = {"a_to_b": ("domain_a", "domain_b"), "b_to_a": ("domain_b", "domain_a")}

METHODS = {
    "model": "Model",
    "copy_source": "Copy of the source",
    "histogram_matched": "Source, histogram matched",
    "constant_brain": "Constant brain",
    "blurred_target": "Blurred target",
    "previous_slice": "Previous slice",
}

REGIONS = {
    "brain": "brain",
    "unit": "in the records' range",
    "brain_interior": "brain without its edge",
    "lesion": "lesion",
    "healthy": "brain without lesions",
}
"""Suffixes of paired metrics."""

GROUPS = (
    "Paired with the real slice",
    "Lesions",
    "Contrast",
    "Distribution",
    "Self-consistency",
    "Other",
)
PAIRED, LESIONS, CONTRAST, DISTRIBUTION, SELF, OTHER = GROUPS


@dataclasses.dataclass(frozen=True)
class Name:
    """How a metric is shown; `better` is 1 where higher is better, -1 where lower, 0 unknown."""

    label: str
    unit: str = ""
    better: int = 0
    group: str = OTHER
    decimals: int | None = None


HEADLINES = (
    "psnr_volume",
    "ssim",
    "ssim_brain",
    "mae_brain",
    "kid_patient",
    "fluid_contrast_log_ratio",
)
"""Metrics that are drawn first."""

FIELDS = {"n_real": "real slices", "n_fake": "synthetic slices", "real": "of real slices"}
"""Further fields of a metric."""

PREFIXES = {
    "psnr_volume": Name("PSNR of the volume", "dB", 1, PAIRED, 2),
    "psnr_slice_mean": Name("PSNR, mean over slices", "dB", 1, PAIRED, 2),
    "psnr": Name("PSNR", "dB", 1, PAIRED, 2),
    "ms_ssim": Name("MS-SSIM", "", 1, PAIRED, 4),
    "ssim": Name("SSIM", "", 1, PAIRED, 4),
    "mae": Name("Mean absolute error", "", -1, PAIRED, 4),
    "mse": Name("Mean squared error", "", -1, PAIRED, 5),
    "nmse": Name("NMSE", "", -1, PAIRED, 4),
    "nrmse_l2": Name("NRMSE (by norm)", "", -1, PAIRED, 4),
    "nrmse_range": Name("NRMSE (by range)", "", -1, PAIRED, 4),
    "nmi": Name("Normalised mutual information", "", 1, PAIRED, 4),
    "blur": Name("Blur", "", 0, PAIRED, 4),
    "lesion_contrast": Name("Contrast of lesions", "", 0, LESIONS, 3),
    "lesion_contrast_log_ratio": Name("Lesions, ln(synthetic / real)", "0 is right", 0, LESIONS, 3),
    "lesion_detection": Name("Lesions found by the thresholder", "", 1, LESIONS, 3),
    "lesion_false_positives": Name("False spots per slice", "", -1, LESIONS, 3),
    "lesion_spot_prevalence": Name("Share of slices with a spot", "", 0, LESIONS, 3),
    "lesion_dice": Name("Dice of the thresholder", "", 1, LESIONS, 3),
    "fluid_contrast": Name("Contrast of fluid", "", 0, CONTRAST, 3),
    "fluid_contrast_log_ratio": Name("Fluid, ln(synthetic / real)", "0 is right", 0, CONTRAST, 3),
    "ventricle_contrast": Name("Contrast of ventricles", "", 0, CONTRAST, 3),
    "ventricle_contrast_log_ratio": Name(
        "Ventricles, ln(synthetic / real)", "0 is right", 0, CONTRAST, 3
    ),
    "source_correlation": Name("Correlation with the source", "", 0, CONTRAST, 3),
    "psnr_maxnorm": Name("PSNR, each image over its own maximum", "dB", 0, OTHER, 2),
    "ssim_maxnorm": Name("SSIM, each image over its own maximum", "", 0, OTHER, 4),
    "psnr_meannorm": Name("PSNR, each image over its own mean", "dB", 0, OTHER, 2),
    "ssim_meannorm": Name("SSIM, each image over its own mean", "", 0, OTHER, 4),
    "inception_score": Name("Inception Score", "", 0, OTHER, 3),
    "paper_psnr": Name("PSNR as in the paper", "dB", 1, OTHER, 2),
    "paper_ssim": Name("SSIM as in the paper", "", 1, OTHER, 4),
    "kid_patient": Name("KID by patient", "", -1, DISTRIBUTION),
    "kid": Name("KID", "", -1, DISTRIBUTION),
    "fid": Name("FID", "", -1, DISTRIBUTION),
    "fd": Name("Fréchet distance", "", -1, DISTRIBUTION),
    "density": Name("Density", "", 0, DISTRIBUTION, 3),
    "coverage": Name("Coverage", "", 1, DISTRIBUTION, 3),
}
"""By the start of a metric's name; of several that fit, the longest counts."""


def metric(name: str) -> Name:
    """Returns how a metric of metrics.json is shown; an unknown one keeps its own name."""
    if match := re.match(r"(cycle|identity)_(.+)", name):
        inner = metric(match[2])
        label = f"{match[1].capitalize()}: {inner.label}"
        return dataclasses.replace(inner, label=label, group=SELF)
    for prefix in sorted(PREFIXES, key=len, reverse=True):
        if name == prefix or name.startswith(prefix + "_"):
            return _with_suffix(PREFIXES[prefix], name[len(prefix) + 1 :])
    return Name(words(name))


def _with_suffix(known: Name, suffix: str) -> Name:
    if not suffix:
        return known
    region = REGIONS.get(suffix, suffix if known.group == DISTRIBUTION else words(suffix).lower())
    group = LESIONS if suffix in ("lesion", "healthy") else known.group
    # A floor or a standard error of a distance is not a score that one method wins.
    better = 0 if re.search(r"(^|_)(floor|se|std)$", suffix) else known.better
    return dataclasses.replace(known, label=f"{known.label}, {region}", group=group, better=better)


def words(name: str) -> str:
    """Returns a snake_case name as words."""
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def field(name: str) -> str:
    """Returns the name of a count or parameter, small: "patients" for n_patients."""
    return FIELDS.get(name) or str(name).removeprefix("n_").replace("_", " ")


def volume(name: str) -> str:
    """Returns what a volume is called in the page: of a pseudonym, the start."""
    return re.sub(r"^([0-9a-f]{8})[0-9a-f]{24}", r"\1…", name)


def sequence(name: str) -> str:
    """Returns a sequence as radiologists write it: T2, FLAIR."""
    return str(name).upper()


def direction(name: str, model: dict) -> str:
    """Returns "T2 → FLAIR" for a_to_b, or the name itself where it is a text of its own."""
    if name not in DIRECTIONS:
        return name
    source, target = (sequence(model.get(d, d[-1])) for d in DIRECTIONS[name])
    return f"{source} → {target}"


def layer(label: str, direction_name: str, model: dict) -> str:
    """Returns the heading of one layer in the viewer."""
    source, target = DIRECTIONS.get(direction_name, ("", ""))
    texts = {
        "source": f"Source {sequence(model.get(source, ''))}",
        "synthetic": f"Synthetic {sequence(model.get(target, ''))}",
        "real": f"Real {sequence(model.get(target, ''))}",
        "error": "Error: synthetic − real",
        "risk": "Risk",
    }
    return texts.get(label, words(label)).strip()


def number(value: float, decimals: int | None = None) -> str:
    """Returns a number as the page shows it: four significant digits where nothing else is said."""
    if isinstance(value, int):
        return f"{value}"
    return f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"
