"""Flags of tools/ablation.py."""

import dataclasses

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class AblationConfig(Command):
    """Flags of `python tools/ablation.py`."""

    study: str = flag(
        "", "TOML file that says what is compared; see docs/recipe.md.", required=True
    )
    output: str = flag(
        "", "Directory for runs, table and pictures; a study in it continues.", required=True
    )
    budget_minutes: float = flag(
        0.0,
        "Minutes after which this command has saved what it has and left; 0 sets no limit.",
        lower=0.0,
    )
