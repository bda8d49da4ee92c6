"""Flags of the ingredients of a recipe that are off unless a configuration asks for them."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class Recipe(Command):
    """Ingredients of training beyond the papers'; each default changes nothing."""

    RULES: ClassVar[tuple] = (
        (
            ["discriminator_size"],
            lambda v: v["discriminator_size"] == 0 or v["discriminator_size"] >= 32,
            "--discriminator_size is 0 or at least 32",
        ),
    )

    position_channels: str = flag(
        "none",
        "Networks that also see where a pixel is: row and column; discriminators the slice, too.",
        choices=["none", "discriminator", "generator", "both"],
    )
    keep_air: bool = flag(False, "Pass what lies outside the head through the generators as it is.")
    discriminator_images: int = flag(
        1,
        "Images of each kind that a discriminator learns from per example; those after the first"
        " are further slices, and translations from the pool.",
        lower=1,
    )
    discriminator_size: int = flag(
        0,
        "Discriminators see images averaged by a whole factor to no fewer pixels a side than this,"
        " and so more of a head at once; 0 shows them as they are.",
        lower=0,
    )
    r1_weight: float = flag(
        0.0, "Weight of the discriminators' R1 penalty, the slope at real images.", lower=0.0
    )
    r1_every: int = flag(
        1, "Steps between those with the R1 penalty, which then counts so many times.", lower=1
    )
