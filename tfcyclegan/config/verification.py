"""Flags of the command that checks a finished output."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class VerifyConfig(Command):
    """Flags of tools/verify_records.py."""

    FIRST: ClassVar[str] = "data_dir"

    data_dir: str = flag("", "Directory of a finished conversion.", required=True)
    canaries: str = flag(
        "",
        "File of strings that must not be in it, such as the names and numbers of the input: JSON"
        " of any nesting, or one a line. It holds identifiers; no string of it is shown.",
    )

    def to_flagfile(self) -> str:
        """Returns the flags without paths, which may hold identifiers."""
        return "# --data_dir is not shown\n# --canaries is not shown\n"
