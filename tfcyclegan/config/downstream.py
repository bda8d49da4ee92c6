"""Flags of the example that trains with and without synthetic slices."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag


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
    translator: str = flag("configs/smoke.flags", "Flagfile that the CycleGAN is trained by.")
    filters: int = flag(8, "Filters of the first layer of the segmenters.", lower=1)
    segmenter_steps: int = flag(200, "Steps of 4 slices of each segmentation network.", lower=1)
    seeds: int = flag(3, "Segmentation networks of each row, from different seeds.", lower=1)
