"""Flags of the ingredients of a recipe that are off unless a configuration asks for them."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class Recipe(Command):
    """Ingredients of training beyond the papers'; each default changes nothing."""

    RULES: ClassVar[tuple] = (
        (
            ["diff_augment"],
            lambda v: set(v["diff_augment"]) <= {"color", "translation", "cutout"},
            "--diff_augment is a list of color, translation, cutout",
        ),
    )

    position_channels: str = flag(
        "none",
        "Networks that also see where a pixel is: row and column; discriminators the slice, too.",
        choices=["none", "discriminator", "generator", "both"],
    )
    cycle_warmup_steps: int = flag(
        0, "Updates in which the cycle weight rises to --cycle_weight; 0 is off.", lower=0
    )
    cycle_warmup_start: float = flag(
        0.1,
        "Share of --cycle_weight that a warm-up starts from; --identity_weight rises with it.",
        lower=0.0,
        upper=1.0,
    )
    output_gain: float = flag(
        1.0,
        "Factor of the initial weights of the generators' last layer; small ones start near grey.",
        lower=0.0,
    )
    diff_augment: tuple = flag(
        (),
        "Differentiable augmentation of what discriminators see, real and fake alike: a list of"
        " color, translation, cutout.",
    )
