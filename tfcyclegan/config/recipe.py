"""Flags of the ingredients of a recipe that are off unless a configuration asks for them."""

import dataclasses

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class Recipe(Command):
    """Ingredients of training beyond the papers'; each default changes nothing."""

    position_channels: str = flag(
        "none",
        "Networks that also see where a pixel is: row and column; discriminators the slice, too.",
        choices=["none", "discriminator", "generator", "both"],
    )
