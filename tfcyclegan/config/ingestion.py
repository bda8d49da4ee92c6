"""Flags of the commands that convert studies, and of the check of what they wrote."""

import dataclasses
import re
import shlex
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


def _parse_command(values: dict) -> bool:
    try:
        parts = shlex.split(values["deface_cmd"])
    except ValueError:
        return False
    text = " ".join(parts[1:])
    return not parts or ("{input}" in text and "{output}" in text)


def _parse_slices(values: dict) -> bool:
    try:
        lowest, highest = map(float, values["slices"].split(":"))
    except ValueError:
        return False
    return 0 <= lowest < highest <= 1


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
        (
            ["for_release", "accept_face_risk"],
            lambda v: v["accept_face_risk"] or not v["for_release"],
            "--for_release needs --accept_face_risk: faces are not removed, and from head images"
            " 96 to 98 % of volunteers were matched with their photographs",
        ),
        (
            ["brain_only", "plane"],
            lambda v: not v["brain_only"] or v["plane"] == "axial",
            "--brain_only needs --plane=axial: slices of other planes hold brain and face at once",
        ),
        (
            ["deface_cmd"],
            _parse_command,
            "--deface_cmd is a program with its arguments, {input} and {output} among them",
        ),
        (
            ["deface_cmd", "runner"],
            lambda v: not (v["deface_cmd"] and v["runner"]),
            "--deface_cmd runs on this machine only: leave --runner empty",
        ),
        (["input"], lambda v: all(v["input"]), "--input has an empty entry in its list"),
        (
            ["slices"],
            _parse_slices,
            "--slices is two fractions of a volume's height, lower one first, as in 0.2:0.9",
        ),
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
    reformat_3d: bool = flag(
        False, "Cut isotropic 3D volumes that were acquired in other planes into slices of --plane."
    )
    monochrome1: str = flag(
        "invert", "What to do with MONOCHROME1 images.", choices=["invert", "refuse"]
    )
    allow_derived: bool = flag(False, "Accept ImageType DERIVED or SECONDARY.")
    force: bool = flag(
        False, "Read files without preamble or meta information, if they look like DICOM."
    )
    keep_sequences: tuple = flag(
        ("t2", "flair"),
        "Sequences that become records: of t2, flair, t1, t1_flair, pd, stir, dwi, t2_star.",
    )
    mapping: str = flag(
        "",
        "A series.csv whose column user_class names the sequence of some series, or skip; it"
        " overrules the class that was proposed.",
    )
    exclude_post_contrast: bool = flag(False, "Skip series acquired after a contrast agent.")
    require_complete: bool = flag(
        False, "Quarantine volumes with missing or unevenly spaced slices (gap)."
    )
    slices: str = flag("0:1", "Part of each volume that is kept, as fractions of its height.")
    normalization: str = flag(
        "p0.5-99.5",
        "Percentiles of a volume that become 0 and 65535. head-median puts the head's median at a"
        " third instead, so that tissue is alike from scanner to scanner.",
        choices=["p0.5-99.5", "p1-99", "minmax", "head-median"],
    )
    fixed_spacing: float = flag(
        0.0, "mm per pixel of all records, cropped or padded; 0 fits each study.", lower=0.0
    )
    min_foreground: float = flag(
        0.05, "Slices with a smaller share of foreground are dropped.", lower=0.0, upper=1.0
    )
    shard_bytes: int = flag(128 << 20, "Approximate size of a shard.", lower=1 << 20)
    text_guard: str = flag(
        "quarantine",
        "What to do with volumes that look as if text was drawn into their pixels.",
        choices=["quarantine", "off"],
    )
    missing_patient: str = flag(
        "quarantine",
        "What to do without a PatientID, or with a placeholder: study makes each study a patient"
        " of its own, so that one person may stand in two splits.",
        choices=["quarantine", "study"],
    )
    with_demographics: bool = flag(
        False,
        "Also keep the patient's age, in bins of five years up to 90, and sex; both make it easier"
        " to recognise somebody.",
    )
    brain_only: bool = flag(
        False,
        "Drop slices that show more face than brain: by the brain mask, or 30 mm below the head's"
        " widest level.",
    )
    deface_cmd: str = flag(
        "",
        "Program that removes the face of each volume, as in `deface {input} {output}`: it is given"
        " the paths of two NIfTI files, and runs without a shell. Not with --runner.",
    )
    deface_timeout_s: float = flag(
        600.0, "Longest time of --deface_cmd for one volume, in seconds.", lower=0.1
    )
    for_release: bool = flag(
        False, "The records will leave the hospital; needs --accept_face_risk."
    )
    accept_face_risk: bool = flag(
        False, "Somebody responsible accepts that faces can be reconstructed from the records."
    )
    private_report: str = flag(
        "",
        "File outside --output, made anew with mode 0600, that maps file_key to path and"
        " SeriesDescription for the operator. It holds identifiers.",
    )
    workers: int = flag(0, "Worker processes; 0 means one per core.", lower=0)
    runner: str = flag(
        "", "Apache Beam runner that converts and writes the shards; empty means --workers here."
    )
    runner_options: tuple = flag((), "Options of --runner, with their dashes, as in docs/beam.md.")
    worker_memory_mb: int = flag(2048, "Address space of a worker process, in MiB.", lower=512)
    object_timeout_s: float = flag(
        60.0, "Longest time for reading one input object, in seconds.", lower=0.1
    )
    max_bad: float = flag(
        0.05,
        "Largest share of quarantined objects among those that should convert; nothing is published"
        " above it.",
        lower=0.0,
        upper=1.0,
    )
    strict: bool = flag(False, "Publish nothing if anything is quarantined.")
    qa_sheet: int = flag(
        0, "Write contact sheets of this many volumes to OUTPUT/qa for human approval.", lower=0
    )

    def to_flagfile(self) -> str:
        """Returns the flags without paths, which may hold identifiers."""
        return without_paths(super().to_flagfile())


_PATHS = ("input", "table", "output", "key_file", "mapping", "private_report", "deface_cmd")


def without_paths(flagfile: str) -> str:
    hidden = {f"--{name}=": name for name in _PATHS}
    lines = []
    for line in flagfile.splitlines():
        name = next((name for start, name in hidden.items() if line.startswith(start)), "")
        lines.append(f"# --{name} is not shown" if name else line)
    return "\n".join(lines) + "\n"


def as_for_dicom(name: str) -> dataclasses.Field:
    """Declares a flag that both converters have."""
    field = IngestConfig.__dataclass_fields__[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclasses.dataclass(frozen=True)
class NiftiConfig(Command):
    """Flags of tools/nifti_to_tfrecord.py."""

    RULES: ClassVar[tuple] = tuple(
        rule for rule in IngestConfig.RULES if {"input", "runner"}.isdisjoint(rule[0])
    )

    table: str = flag(
        "",
        "CSV file with a row per image and the columns patient, study, sequence, path and, where"
        " there are masks, lesion_mask, brain_mask, ventricle_mask. Paths are relative to the"
        " table's directory.",
        required=True,
    )
    output: str = as_for_dicom("output")
    key_file: str = as_for_dicom("key_file")
    name: str = as_for_dicom("name")
    splits: tuple = as_for_dicom("splits")
    plane: str = as_for_dicom("plane")
    keep_sequences: tuple = as_for_dicom("keep_sequences")
    slices: str = as_for_dicom("slices")
    normalization: str = as_for_dicom("normalization")
    fixed_spacing: float = as_for_dicom("fixed_spacing")
    min_foreground: float = as_for_dicom("min_foreground")
    shard_bytes: int = as_for_dicom("shard_bytes")
    text_guard: str = as_for_dicom("text_guard")
    brain_only: bool = as_for_dicom("brain_only")
    deface_cmd: str = as_for_dicom("deface_cmd")
    deface_timeout_s: float = as_for_dicom("deface_timeout_s")
    for_release: bool = as_for_dicom("for_release")
    accept_face_risk: bool = as_for_dicom("accept_face_risk")
    workers: int = as_for_dicom("workers")
    worker_memory_mb: int = as_for_dicom("worker_memory_mb")
    object_timeout_s: float = as_for_dicom("object_timeout_s")
    max_bad: float = as_for_dicom("max_bad")
    strict: bool = as_for_dicom("strict")
    qa_sheet: int = as_for_dicom("qa_sheet")

    def to_flagfile(self) -> str:
        """Returns the flags without paths, which may hold identifiers."""
        return without_paths(super().to_flagfile())

    def conversion(self) -> IngestConfig:
        """Returns the same conversion as the one road of both kinds of input wants it."""
        return IngestConfig(**{k: v for k, v in vars(self).items() if k != "table"})


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
