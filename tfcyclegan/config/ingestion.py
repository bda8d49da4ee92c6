"""Flags of the commands that make and convert DICOM."""

import dataclasses
import re
from typing import ClassVar

from tfcyclegan.config.command import Command, flag


def _parse_splits(values: dict) -> bool:
    try:
        shares = [float(part.partition(":")[2]) for part in values["splits"]]
        names = [part.partition(":")[0] for part in values["splits"]]
    except ValueError:
        return False
    known = set(names) <= {"train", "val", "test"} and len(set(names)) == len(names)
    return known and min(shares) >= 0 and abs(sum(shares) - 1) < 1e-6


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


@dataclasses.dataclass(frozen=True)
class IngestConfig(Command):
    """Flags of tools/dicom_to_tfrecord.py."""

    RULES: ClassVar[tuple] = (
        (
            ["splits"],
            _parse_splits,
            "--splits is a list of train, val, test with shares that add up to 1, for example"
            " train:0.8,val:0.1,test:0.1",
        ),
        (
            ["name"],
            lambda v: re.fullmatch("[a-z0-9]{1,20}", v["name"]) is not None,
            "--name is 1 to 20 lower-case letters and digits",
        ),
        (["input"], lambda v: all(v["input"]), "--input has an empty entry in its list"),
    )

    input: tuple = flag(
        (),
        "Files, directories or archives (zip, tar, tgz) to read, separated by commas; @FILE is a"
        " list of them, one a line, and @- reads that list from the standard input.",
        required=True,
    )
    output: str = flag("", "Directory for shards, manifest and card.", required=True)
    key_file: str = flag(
        "",
        "File of at least 32 random bytes, mode 0600, that pseudonyms are keyed with. It is made"
        " where it does not exist; keep it secret, and keep it: the same key gives the same ids.",
        required=True,
    )
    name: str = flag("mri", "First part of the shards' names: lower-case letters and digits.")
    splits: tuple = flag(("train:0.8", "val:0.1", "test:0.1"), "Share of patients per split.")
    plane: str = flag(
        "axial",
        "Acquisition plane that is kept.",
        choices=["axial", "coronal", "sagittal", "oblique"],
    )
    monochrome1: str = flag(
        "invert", "What to do with MONOCHROME1 images.", choices=["invert", "refuse"]
    )
    allow_derived: bool = flag(False, "Accept ImageType DERIVED or SECONDARY.")
    min_foreground: float = flag(
        0.05, "Slices with a smaller share of foreground are dropped.", lower=0.0, upper=1.0
    )
    shard_bytes: int = flag(128 << 20, "Approximate size of a shard.", lower=1 << 20)
    workers: int = flag(0, "Worker processes; 0 means one per core.", lower=0)
    runner: str = flag(
        "", "Apache Beam runner that converts and writes the shards; empty means --workers here."
    )
    runner_options: tuple = flag((), "Options of --runner, with their dashes, as in docs/beam.md.")
    worker_memory_mb: int = flag(2048, "Address space of a worker process, in MiB.", lower=512)
    object_timeout_s: float = flag(
        60.0, "Longest time for reading one input object, in seconds.", lower=0.1
    )
    qa_sheet: int = flag(
        0, "Write contact sheets of this many volumes to OUTPUT/qa for human approval.", lower=0
    )

    def to_flagfile(self) -> str:
        """Returns the flags without paths, which may hold identifiers."""
        hidden = {f"--{name}=": name for name in ("input", "output", "key_file")}
        lines = []
        for line in super().to_flagfile().splitlines():
            name = next((name for start, name in hidden.items() if line.startswith(start)), "")
            lines.append(f"# --{name} is not shown" if name else line)
        return "\n".join(lines) + "\n"
