"""Flags of `python -m tfcyclegan.export`."""

import dataclasses

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class ExportConfig(Command):
    """Flags of `python -m tfcyclegan.export`."""

    workdir: str = flag("", "Workdir of a training run.", required=True)
    checkpoint: str = flag(
        "latest",
        "Checkpoint of --workdir: the latest, or the best by validation.",
        choices=["latest", "best"],
    )
    output: str = flag("", "Directory that gets the next version number.", required=True)
    audit: bool = flag(
        False,
        "Every signature also returns cycle_residual and risk, for three times the work.",
    )
