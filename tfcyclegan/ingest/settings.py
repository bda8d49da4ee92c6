"""The flags that decide the content of the records; equal settings may share a directory."""

import dataclasses
import os
import shlex

from tfcyclegan.config import IngestConfig
from tfcyclegan.data import windows
from tfcyclegan.data.records import SEQUENCES
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.imaging.frames import Reading
from tfcyclegan.ingest.mapping import Classes, settled


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags that decide the content of the records.

    Attributes:
        name: First part of the shards' names.
        splits: (name, share) in order.
        plane: Acquisition plane that is kept.
        monochrome1: "invert" or "refuse".
        allow_derived: Whether ImageType DERIVED is accepted.
        min_foreground: Smallest share of foreground of a slice.
        shard_bytes: Approximate size of a shard.
        keep_sequences: Of records.SEQUENCES; the others are skipped.
        mapping: (series key, class or "skip") of the operator, sorted.
        exclude_post_contrast: Whether series after a contrast agent are skipped.
        require_complete: Whether volumes with gaps are quarantined.
        slices: Lowest and highest slice_frac that is kept.
        percentiles: Those of a volume that become 0 and 1 in unit range; of windows.WINDOWS.
        fixed_spacing: mm per pixel of every grid; 0 fits the largest field of view.
        reformat_3d: Whether 3D volumes of other planes are cut into slices of `plane`.
        text_guard: Whether volumes that seem to have text drawn into them are refused.
        generator: 32 hex digits of the network that makes the pixels, and of its flags; empty where
            a scanner made them.
        missing_patient: "quarantine", or "study": each study without a patient is one of its own.
        with_demographics: Whether records hold the features of records.DEMOGRAPHICS.
        brain_only: Whether slices below the brain are dropped.
        deface_cmd: Program and arguments that remove the face of a volume, or empty.
        deface_timeout_s: Its longest time for one volume.
        deface_folder: Private directory that it runs in. Each run has another, so it is no part of
            what decides the content.
        generator_pairs: What pairs the network learnt from, in words; follows from `generator`.
    """

    name: str
    splits: tuple[tuple[str, float], ...]
    plane: str
    monochrome1: str
    allow_derived: bool
    min_foreground: float
    shard_bytes: int
    keep_sequences: tuple[str, ...] = ("t2", "flair")
    mapping: tuple[tuple[str, str], ...] = ()
    exclude_post_contrast: bool = False
    require_complete: bool = False
    slices: tuple[float, float] = (0.0, 1.0)
    percentiles: windows.Percentiles = windows.WINDOW_PERCENTILES
    fixed_spacing: float = 0.0
    reformat_3d: bool = False
    text_guard: bool = True
    missing_patient: str = "quarantine"
    generator: str = ""
    # Not in the text that is hashed unless they are on (card.config_hash).
    with_demographics: bool = dataclasses.field(default=False, repr=False)
    brain_only: bool = dataclasses.field(default=False, repr=False)
    deface_cmd: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    deface_timeout_s: float = dataclasses.field(default=0.0, repr=False)
    deface_folder: str = dataclasses.field(default="", repr=False)
    generator_pairs: str = dataclasses.field(default="", repr=False)

    @property
    def reading(self) -> Reading:
        """The settings that decide how headers are read."""
        return Reading(
            allow_derived=self.allow_derived,
            keep_dwi="dwi" in self.keep_sequences,
            lone_studies=self.missing_patient == "study",
            with_demographics=self.with_demographics,
        )


def settings_of(config: IngestConfig, classes: Classes) -> Settings:
    """Returns the settings of a configuration; most fields have the value of the flag of that name.

    Raises:
        UserError: --keep_sequences names no sequence, or an unknown one.
    """
    shares = (part.partition(":") for part in config.splits)
    if not config.keep_sequences or not set(config.keep_sequences) <= set(SEQUENCES):
        raise UserError(f"--keep_sequences is a list of {', '.join(SEQUENCES)}.", ExitCode.USAGE)
    lowest, _, highest = config.slices.partition(":")
    field_names = {field.name for field in dataclasses.fields(Settings)}
    unchanged = {name: value for name, value in vars(config).items() if name in field_names}
    return Settings(
        **unchanged
        | {
            "splits": tuple((name, float(share)) for name, _, share in shares),
            "keep_sequences": tuple(sorted(set(config.keep_sequences))),
            "mapping": settled(classes),
            "slices": (float(lowest), float(highest)),
            "percentiles": windows.WINDOWS[config.normalization],
            "text_guard": config.text_guard == "quarantine",
            "deface_cmd": _command(config.deface_cmd),
        }
    )


def _command(text: str) -> tuple[str, ...]:
    """Returns a command's words, files by absolute path, because it runs in another directory."""
    return tuple(
        os.path.abspath(word) if os.path.isfile(word) and (place or os.sep in word) else word
        for place, word in enumerate(shlex.split(text))  # PATH finds a program without a path
    )
