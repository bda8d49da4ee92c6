"""Flags of the command that measures."""

import dataclasses

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Command):
    """Flags of tools/benchmark.py."""

    what: str = flag("ingest", "What is measured.", choices=["ingest"])
    json: bool = flag(False, "End with one line that is a JSON object.")
    files: int = flag(1000, "ingest: DICOM files to make and to convert.", lower=10)
    matrix: int = flag(
        512, "ingest: rows and columns of a file; 64 for --files=100000.", lower=64, upper=512
    )
