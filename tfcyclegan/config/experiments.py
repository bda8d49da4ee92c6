"""Flags of the simulated patients and of what is tried on them and on others."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class AblationConfig(Command):
    """Flags of `python tools/ablation.py`."""

    study: str = flag(
        "", "TOML file that says what is compared; see docs/studies.md.", required=True
    )
    output: str = flag(
        "", "Directory for runs, table and pictures; a study in it continues.", required=True
    )
    budget_minutes: float = flag(
        0.0,
        "Minutes after which this command has saved what it has and left; 0 sets no limit.",
        lower=0.0,
    )


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Command):
    """Flags of tools/benchmark.py."""

    what: str = flag(
        "ingest",
        "What is measured.",
        choices=["ingest", "step", "epoch", "pipeline", "metrics", "translate", "study"],
    )
    json: bool = flag(False, "End with one line that is a JSON object.")
    files: int = flag(
        1000, "ingest, study: DICOM files to make, and to convert or translate.", lower=10
    )
    matrix: int = flag(
        512,
        "ingest, study: rows and columns of a file; 64 for --files=100000.",
        lower=64,
        upper=512,
    )
    size: int = flag(
        256,
        "step, epoch, pipeline, metrics, translate, study: height and width in pixels.",
        lower=32,
        upper=1024,
    )
    filters: int = flag(
        64, "step, epoch, translate, study: filters of the networks' first layers.", lower=1
    )
    blocks: int = flag(9, "step, epoch, translate, study: residual blocks.", lower=1)
    batch_size: int = flag(1, "step, epoch, pipeline: examples in a batch.", lower=1)
    identity: float = flag(
        0.5, "step, epoch: weight of the identity loss; 0 leaves it out.", lower=0.0
    )
    precision: str = flag(
        "float32",
        "step, epoch: Keras precision policy.",
        choices=["float32", "mixed_bfloat16", "mixed_float16"],
    )
    steps: int = flag(
        5,
        "step, epoch, metrics, translate: how often each is timed, after the first of all.",
        lower=1,
    )
    epoch_steps: int = flag(
        1000, "epoch: steps of the epoch whose share beside the steps is told.", lower=1
    )
    dimension: int = flag(2048, "metrics: length of a feature.", lower=2)
    reference: str = flag(
        "",
        "step: command that times the same step elsewhere, measured right before and after: it is"
        " given --filters, --size, --blocks, --identity, --precision and --steps, and its last"
        " line is a JSON object with seconds_min and peak_rss_mb.",
    )
    torch_python: str = flag(
        "",
        "translate: a Python that has PyTorch, whose eager mode runs the same network in turn.",
    )


@dataclasses.dataclass(frozen=True)
class DownstreamConfig(Command):
    """Flags of tools/downstream.py."""

    RULES: ClassVar[tuple] = (
        (
            ["with_flair", "patients"],
            lambda v: v["with_flair"] < v["patients"],
            "--with_flair must be below --patients: the others are those who get a synthetic FLAIR",
        ),
    )

    output: str = flag("", "New or empty directory for everything that is made.", required=True)
    patients: int = flag(12, "Simulated patients to train with; all have T2.", lower=2)
    with_flair: int = flag(2, "How many of them have a real FLAIR too.", lower=1)
    test_patients: int = flag(10, "Simulated patients to test on, on their real FLAIR.", lower=2)
    slices: int = flag(10, "Axial slices per series.", lower=5, upper=200)
    size: int = flag(64, "Height and width that both networks see, in pixels.", lower=32, upper=256)
    translator: str = flag("configs/smoke.flags", "Flagfile that the translator is trained by.")
    filters: int = flag(8, "Filters of the first layer of the segmenters.", lower=1)
    segmenter_steps: int = flag(200, "Steps of 4 slices of each segmentation network.", lower=1)
    seeds: int = flag(3, "Segmentation networks of each row, from different seeds.", lower=1)


@dataclasses.dataclass(frozen=True)
class PhantomConfig(Command):
    """Flags of tools/make_phantom.py."""

    output: str = flag(
        "", "New or empty directory for the DICOM studies and the truth masks.", required=True
    )
    patients: int = flag(8, "Number of simulated patients.", lower=1)
    slices: int = flag(20, "Axial slices per series.", lower=5, upper=200)
    matrix: int = flag(192, "Rows and columns of an image.", lower=64, upper=512)
    seed: int = flag(0, "Seed of anatomy, lesions and noise.", lower=0)
    nifti: bool = flag(
        False,
        "Also write the images beside the truth masks as NIfTI, and volumes.csv, the table of both"
        " for tools/nifti_to_tfrecord.py.",
    )
