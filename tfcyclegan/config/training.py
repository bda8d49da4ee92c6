"""Flags of the command that trains."""

import dataclasses
import re
from typing import ClassVar

from tfcyclegan.config.domains import DOMAINS_DIFFER
from tfcyclegan.config.evaluation import EXTRACTOR_IS_KNOWN
from tfcyclegan.config.models import FEATURE_WEIGHTS, LABELLED, NCE_WEIGHTS, PAIR_WEIGHTS, rules
from tfcyclegan.config.train_flags import (
    DataFlags,
    NetworkFlags,
    ObjectiveFlags,
    OptimisationFlags,
    RunFlags,
)
from tfcyclegan.errors import ExitCode, UserError


def _rotations_are_numbers(values: dict) -> bool:
    try:
        return all(-360 <= float(angle) <= 360 for angle in values["rotations"])
    except ValueError:
        return False


def _is_fold(text: str) -> bool:
    parts = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    return parts is not None and int(parts[2]) >= 2 and int(parts[1]) < int(parts[2])


ANY = ("*",)
RETIRED = {
    "cluster_timeout_s": ANY,
    "cycle_warmup_steps": ("0",),
    "cycle_warmup_start": ANY,  # without steps
    "diff_augment": ("",),
    "best_by": ANY,
    "checkpoint_every": ANY,
    "checkpoint_minutes": ANY,
    "clip_gradient_norm": ("0.0",),
    "doctor": ("False",),
    "extractor_weights": ("",),
    "fold": ("0",),  # where no folds were dealt
    "folds": ("0",),
    "histograms": ANY,
    "intensity_discriminator_weight": ("0.0",),
    "keep_checkpoints": ANY,
    "max_skipped_steps": ANY,
    "output_gain": ("1.0",),
    "r1_every": ("1", "4"),  # 1 is the default, of runs without R1
    "schedule": ("linear",),
    "upsampling": ("transpose",),
    "train_split": ("train",),
    "val_split": ("train", "val"),
    "wrong_basin": ("ignore", "report"),
}
"""Flags that runs of earlier versions have in flags.txt, with the values that changed nothing."""


@dataclasses.dataclass(frozen=True)
class TrainConfig(RunFlags, OptimisationFlags, ObjectiveFlags, NetworkFlags, DataFlags):
    """Flags of `python -m tfcyclegan.train`; a run keeps them in WORKDIR/flags.txt."""

    RULES: ClassVar[tuple] = (
        (
            ["discriminator_size"],
            lambda v: v["discriminator_size"] == 0 or v["discriminator_size"] >= 32,
            "--discriminator_size is 0 or at least 32",
        ),
        (["workdir"], lambda v: v["workdir"] != "", "--workdir must have a value"),
        (
            ["rotations"],
            _rotations_are_numbers,
            "--rotations is a list of degrees, for example 30,60,90",
        ),
        (
            ["flips"],
            lambda v: set(v["flips"]) <= {"horizontal", "vertical"},
            "--flips is a list of horizontal, vertical",
        ),
        (
            ["r1_weight", "precision"],
            lambda v: not v["r1_weight"] or v["precision"] == "float32",
            "--r1_weight needs --precision=float32, as half precision loses the squares of small"
            " slopes",
        ),
        (
            ["discriminator_images", "pool_size"],
            lambda v: v["discriminator_images"] == 1 or v["pool_size"],
            "--discriminator_images above 1 needs a --pool_size above 0",
        ),
        (
            ["enlarge_crop"],
            lambda v: v["enlarge_crop"] == 0 or v["enlarge_crop"] > 1,
            "--enlarge_crop is 0 or a factor above 1",
        ),
        *rules(),
        DOMAINS_DIFFER,
        EXTRACTOR_IS_KNOWN,
        (
            ["fold"],
            lambda v: v["fold"] == "" or _is_fold(v["fold"]),
            "--fold is K/N, with N at least 2 and K from 0 to N - 1",
        ),
        (
            ["decay_start_epoch", "epochs"],
            lambda v: v["decay_start_epoch"] <= v["epochs"],
            "--decay_start_epoch must not exceed --epochs",
        ),
    )

    @property
    def folds(self) -> tuple[int, int]:
        """The number of folds, 0 for none, and the number of the one that is held out."""
        fold, _, folds = self.fold.partition("/")
        return (int(folds), int(fold)) if folds else (0, 0)

    @property
    def moves_pairs(self) -> bool:
        """Whether slices of pairs are moved onto each other; RegGAN's network does that itself."""
        return self.model != "reggan"

    @property
    def paints_labels(self) -> bool:
        """Whether the model is shown label images, for which slices are read with their masks."""
        return self.model in LABELLED

    @property
    def weight_of_pairs(self) -> float:
        """What --pair_weight comes to: 0 is the model's own."""
        return self.pair_weight or PAIR_WEIGHTS[self.model]

    @property
    def weight_of_features(self) -> float:
        """What --feature_weight comes to: 0 is the model's own."""
        return self.feature_weight or FEATURE_WEIGHTS[self.model]

    @property
    def weight_of_nce(self) -> float:
        """What --nce_weight comes to: 0 is the mode's own."""
        return self.nce_weight or NCE_WEIGHTS[self.nce_mode]

    @classmethod
    def of_run(cls, lines: list[str]) -> "TrainConfig":
        """Returns the flags of a run, of this version or an earlier one.

        Args:
            lines: Of the run's flags.txt, each a flag, a comment or empty.

        Raises:
            UserError: The run has what this version has no more.
        """
        kept = []
        for line in lines:
            name, _, value = line.removeprefix("--").partition("=")
            if line.startswith("--") and not {value, *ANY} & {*RETIRED.get(name, ())}:
                kept.append(line)
        try:
            return cls.parse(*kept)
        except UserError as error:
            raise UserError(
                f"The run is of another version of this program: {error}. Use that version for it,"
                " or begin another run.",
                ExitCode.DAMAGED,
            ) from error
