"""Flags of the command that translates studies."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag
from tfcyclegan.config.ingestion import IngestConfig, as_for_dicom, without_paths

IN_OUTPUTS = ("identity", "audit", "max_risk", "abstain", "report")
_DATASET = "With --dataset: "


def _as_in_records(name: str) -> dataclasses.Field:
    """Declares a flag of the converter that applies to a synthetic dataset only."""
    field = IngestConfig.__dataclass_fields__[name]
    about = {**field.metadata, "help": _DATASET + field.metadata["help"]}
    return dataclasses.field(default=field.default, metadata=about)


@dataclasses.dataclass(frozen=True)
class TranslateConfig(Command):
    """Flags of `python -m tfcyclegan.translate`."""

    RULES: ClassVar[tuple] = (
        *(rule for rule in IngestConfig.RULES if set(rule[0]) <= {"input", "splits", "name"}),
        (
            ["abstain", "max_risk"],
            lambda v: not v["abstain"] or v["max_risk"] < 1,
            "--abstain leaves out slices above --max_risk: set that below 1",
        ),
        (
            ["max_risk", "audit"],
            lambda v: v["audit"] or v["max_risk"] >= 1,
            "--max_risk needs --audit, which measures the risk",
        ),
        (
            ["png", "dataset"],
            lambda v: v["dataset"] or not v["png"],
            "--png needs --dataset",
        ),
        (
            ["identity", "dataset"],
            lambda v: not v["dataset"] or v["identity"] == "replaced",
            "--dataset holds pseudonyms only, so --identity=source cannot be had with it",
        ),
    )

    model: str = flag(
        "", "Exported SavedModel: a version directory, or the one above it.", required=True
    )
    direction: str = flag(
        "auto",
        "Which domain becomes which; auto takes a_to_b, or the only direction that --model has.",
        choices=["auto", "a_to_b", "b_to_a"],
    )
    input: tuple = flag(
        (),
        "Files, directories or archives of DICOM, NIfTI images (.nii, .nii.gz), or a directory of"
        " converted records; separated by commas, @FILE lists them as for the converter. What"
        " comes in goes out in the same form.",
        required=True,
    )
    output: str = flag("", "Directory for the synthetic series and the account.", required=True)
    key_file: str = flag(
        "",
        "Key of the pseudonyms and the new UIDs, as for the converter: with its key, patients get"
        " the same pseudonyms as in its records. Empty draws a fresh key and forgets it.",
    )
    identity: str = flag(
        "replaced",
        "What stands for the patient in the output: replaced by pseudonyms, or copied from the"
        " source, for a series that goes back into the archive.",
        choices=["replaced", "source"],
    )
    audit: bool = flag(
        False,
        "Measure the risk of each slice: how far it is from its source after the way back, and"
        " how far a mirrored source leads elsewhere. Three times the work; writes maps.",
    )
    max_risk: float = flag(
        1.0, "Slices with a higher risk are marked (0 to 1, unit range).", lower=0.0, upper=1.0
    )
    abstain: bool = flag(False, "Leave marked slices out.")
    report: bool = flag(
        True,
        "Write a page per volume to look at: source, synthetic, the real image where the study has"
        " one on the same voxels, and risk, slice by slice.",
    )
    dataset: bool = flag(
        False, "Write records with prov/synthetic=1 to train with, instead of the input's form."
    )
    samples: int = flag(
        0,
        _DATASET + "how many images a --model without a source makes; 0 is as many as training"
        " slices of its sequence in --input.",
        lower=0,
    )
    png: bool = flag(False, _DATASET + "write every slice as a 16-bit PNG too.")
    name: str = _as_in_records("name")
    splits: tuple = _as_in_records("splits")
    min_foreground: float = _as_in_records("min_foreground")
    plane: str = as_for_dicom("plane")
    monochrome1: str = as_for_dicom("monochrome1")
    allow_derived: bool = as_for_dicom("allow_derived")
    force: bool = as_for_dicom("force")
    fixed_spacing: float = as_for_dicom("fixed_spacing")
    text_guard: str = as_for_dicom("text_guard")
    worker_memory_mb: int = as_for_dicom("worker_memory_mb")
    object_timeout_s: float = as_for_dicom("object_timeout_s")

    def to_flagfile(self) -> str:
        """Returns the flags without paths, which may hold identifiers."""
        return without_paths(super().to_flagfile())

    def in_outputs(self) -> dict:
        """Returns the flags that what is written depends on, apart from how the source is read."""
        return {name: getattr(self, name) for name in IN_OUTPUTS}

    def conversion(self, sequence: str) -> IngestConfig:
        """Returns how the source's volumes are read, which is how the converter reads them.

        Args:
            sequence: The only one that is wanted.
        """
        shared = {f.name for f in dataclasses.fields(IngestConfig)}
        values = {k: v for k, v in vars(self).items() if k in shared}
        if not self.dataset:
            values["min_foreground"] = 0.0  # a series is complete, down to its empty slices
        return IngestConfig(
            **values,
            keep_sequences=(sequence,),
            # A study is translated whoever it belongs to; only splits need to know the patient.
            missing_patient="study",
        )
