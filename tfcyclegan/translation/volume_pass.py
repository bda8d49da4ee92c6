"""One volume through the network, slice by slice into a writer."""

from collections.abc import Callable

from tfcyclegan.config import TranslateConfig
from tfcyclegan.imaging.dicom import derived
from tfcyclegan.imaging.frames import Frame
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.publication import Job
from tfcyclegan.translation import passes
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.page import Gallery
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.volume_report import Report

DICOM, NIFTI, PAGES = "dicom", "nifti", "report"
"""Directories of the output that hold nothing else, so that they can be sent off as they are."""
SYNTHETIC, RISK = "synthetic", "risk"

Add = Callable[[int, Frame, Made, str], None]
"""Writes a slice: its place, what it was made from, what was made, and a comment."""


def translate_volume(
    job: Job,
    task: Task,
    done: Converted,
    model: Model,
    config: TranslateConfig,
    gallery: Gallery,
    files: list[str],
    add: Add,
) -> Report:
    """Runs a volume through the network and hands slices to a writer as they come."""
    key, count = task.series.volume.key, 0
    review = passes.Review(config.max_risk)
    images = (record["image/data"] for record in done.records)
    translated_slices = passes.run(images, model, audit=config.audit)
    for place, (frame, translated_slice) in enumerate(
        zip(done.kept, translated_slices, strict=True)
    ):
        comment = ""
        if review.add(translated_slice):
            comment = f"Risk {translated_slice.risk:.3f} is above the limit of {config.max_risk:g}"
        gallery.add(place, translated_slice, comment)
        if comment and config.abstain:
            continue
        add(place, frame, translated_slice, comment)
        count += 1
    files = files if count else []
    if config.report:
        files = [*files, f"{PAGES}/{key}.html"]
    report = Report.of(key, tuple(files), count, review, config)
    if config.report:
        gallery.write(job.directory / files[-1], model, report)
    return report


def titles_of(model: Model) -> dict[str, str]:
    """Returns the description of what is written, by kind."""
    title = f"SYNTHETIC {model.target.upper()} from {model.source.upper()}"
    return {SYNTHETIC: f"{title} - {derived.WARNING}", RISK: f"RISK of {title} - {derived.WARNING}"}


def kinds_of(config: TranslateConfig) -> tuple[str, ...]:
    """Returns the kinds of images that the flags ask for."""
    return (SYNTHETIC, RISK) if config.audit else (SYNTHETIC,)


def pixels_of(kind: str, made: Made):
    """Returns the image of a kind, float32 [n, n], unit range."""
    return made.synthetic if kind == SYNTHETIC else made.risk_map
