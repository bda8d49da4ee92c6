"""Flags of the command that trains."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import flag
from tfcyclegan.config.domains import DOMAINS_DIFFER
from tfcyclegan.config.evaluation import EXTRACTORS
from tfcyclegan.config.recipe import Recipe
from tfcyclegan.errors import ExitCode, UserError


def _rotations_are_numbers(values: dict) -> bool:
    try:
        return all(-360 <= float(angle) <= 360 for angle in values["rotations"])
    except ValueError:
        return False


ANYTHING = "*"
RETIRED = {
    "cycle_warmup_steps": ("0",),
    "cycle_warmup_start": (ANYTHING,),  # without steps
    "diff_augment": ("",),
    "doctor": ("False",),
    "intensity_discriminator_weight": ("0.0",),
    "output_gain": ("1.0",),
    "schedule": ("linear",),
    "wrong_basin": ("ignore", "report"),
}
"""Flags that runs of earlier versions have in flags.txt, with the values that changed nothing."""


@dataclasses.dataclass(frozen=True)
class TrainConfig(Recipe):
    """Flags of `python -m tfcyclegan.train`; a run keeps them in WORKDIR/flags.txt."""

    RULES: ClassVar[tuple] = (
        *Recipe.RULES,
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
        DOMAINS_DIFFER,
        (
            ["folds", "fold"],
            lambda v: v["folds"] != 1 and v["fold"] < max(1, v["folds"]),
            "--folds is 0 or at least 2, and --fold below it",
        ),
        (
            ["folds", "val_split"],
            lambda v: not v["folds"] or v["val_split"] != "val",
            "--folds leaves the splits train and test: give --val_split=train, or --val_split=test"
            " to look at the patients that are held out",
        ),
        (
            ["decay_start_epoch", "epochs"],
            lambda v: v["decay_start_epoch"] <= v["epochs"],
            "--decay_start_epoch must not exceed --epochs",
        ),
    )

    data_dir: str = flag("", "Directory with shards and manifest.jsonl.", required=True)
    workdir: str = flag(
        "", "Directory for checkpoints, logs and samples; a run in it continues.", required=True
    )
    domain_a: str = flag("t2", "Sequence that is domain a.")
    domain_b: str = flag("flair", "Sequence that is domain b.")
    train_split: str = flag("train", "Split to train on.", choices=["train", "val", "test"])
    val_split: str = flag("val", "Split to validate on.", choices=["train", "val", "test"])
    drop_lesions: str = flag(
        "none",
        "A stress test, no recipe: the domain whose slices with a lesion, or without a lesion mask,"
        " are not trained on.",
        choices=["none", "a", "b"],
    )

    folds: int = flag(
        0,
        "Deal all patients, whatever their split, into this many folds; one is split test and the"
        " rest split train. 0 takes the splits of the records.",
        lower=0,
    )
    fold: int = flag(0, "Number of the fold that is split test, from 0.", lower=0)

    image_size: int = flag(
        256, "Height and width the networks see, in pixels.", lower=32, upper=1024
    )
    generator: str = flag("resnet", "Kind of the generators.", choices=["resnet", "unet", "curves"])
    generator_blocks: int = flag(
        9, "Residual blocks of a resnet: 9 for 256 px, 6 for 128 px.", lower=1
    )
    generator_filters: int = flag(64, "Filters of the generator's first layer.", lower=1)
    discriminator_filters: int = flag(64, "Filters of the discriminator's first layer.", lower=1)
    upsampling: str = flag(
        "transpose", "How the generator doubles its size.", choices=["transpose", "resize_conv"]
    )
    initializer: str = flag(
        "he_normal", "Initial weights of convolutions.", choices=["he_normal", "normal_0.02"]
    )

    adversarial_loss: str = flag(
        "vanilla", "Cross-entropy (vanilla) or least squares.", choices=["vanilla", "lsgan"]
    )
    cycle_weight: float = flag(10.0, "Weight of the cycle loss.", lower=0.0)
    identity_weight: float = flag(
        0.0, "Weight of the identity loss as a multiple of --cycle_weight.", lower=0.0
    )
    structure_loss: str = flag(
        "none",
        "Loss of a translation that moves anatomy: normalised gradient fields (ngf).",
        choices=["none", "ngf"],
    )
    structure_weight: float = flag(1.0, "Weight of the structure loss.", lower=0.0)
    pool_size: int = flag(50, "Translated images each discriminator remembers; 0 is off.", lower=0)
    ema_decay: float = flag(
        0.0,
        "Decay of the generators' moving average, used for validation, evaluation and export; 0 is"
        " off.",
        lower=0.0,
        upper=0.99999,
    )

    flips: tuple = flag(("horizontal",), "Flips, each applied with probability one half.")
    rotations: tuple = flag(
        ("30", "60", "90"), "Angles in degrees; each example draws one of them or none."
    )
    brightness: float = flag(
        0.5, "Largest relative change of the gain, 0.5 for +-50 %.", lower=0.0, upper=0.99
    )
    contrast: float = flag(
        0.0,
        "Largest relative change of contrast about the foreground's mean.",
        lower=0.0,
        upper=0.99,
    )
    enlarge_crop: float = flag(
        0.0,
        "Enlarge each slice by this factor and cut a window of the old size anywhere; 1.117 is the"
        " reference implementation's 286 to 256, 0 is off.",
        lower=0.0,
        upper=2.0,
    )
    match_slice_position: float = flag(
        0.0,
        "Draw b within this share of the head from a's slice position; 0 draws it anywhere.",
        lower=0.0,
        upper=1.0,
    )

    epochs: int = flag(100, "Epochs.", lower=1)
    steps_per_epoch: int = flag(
        0, "Steps per epoch; 0 means one pass over the larger domain.", lower=0
    )
    batch_size: int = flag(
        1, "Global batch size: examples per update, over all replicas and parts.", lower=1
    )
    accumulate_steps: int = flag(
        1,
        "Parts that a batch goes through the networks in; one update and the same, in less memory.",
        lower=1,
    )
    learning_rate: float = flag(2e-4, "Adam's learning rate before the decay.", lower=0.0)
    discriminator_learning_rate: float = flag(
        0.0, "The discriminators' learning rate; 0 is --learning_rate.", lower=0.0
    )
    decay_start_epoch: int = flag(
        50, "Epoch after which the learning rate falls to 0 at the last one.", lower=0
    )
    clip_gradient_norm: float = flag(
        0.0,
        "Largest norm of the generators' gradient and of the discriminators'; 0 clips nothing.",
        lower=0.0,
    )
    seed: int = flag(0, "Seed of weights, order and augmentation.", lower=0)
    deterministic: bool = flag(True, "Same seed, same weights to the bit; costs some speed.")
    precision: str = flag(
        "float32", "Keras precision policy.", choices=["float32", "mixed_bfloat16", "mixed_float16"]
    )
    strategy: str = flag(
        "auto",
        "How to distribute; auto takes the workers of TF_CONFIG, or else mirrors over all GPUs.",
        choices=["auto", "single", "mirrored", "multi_worker"],
    )
    cluster_timeout_s: float = flag(
        600.0, "Seconds to wait for the other processes of TF_CONFIG to start.", lower=0.0
    )

    validate_every: int = flag(
        0,
        "Epochs between validations; 0 takes as many as keep them near a tenth of the training's"
        " time. The last epoch is validated in any case.",
        lower=0,
    )
    validation_pairs: int = flag(
        200,
        "Slices of each domain used for validation, pairs first; 0 means all.",
        lower=0,
    )
    best_by: str = flag(
        "auto",
        "Validation score, mean of both directions, that the best checkpoint is kept by; auto is"
        " psnr_volume where there are pairs, or else kid_patient or kid.",
        choices=["auto", "psnr_volume", "ssim", "ssim_head", "kid", "kid_patient"],
    )
    extractor: str = flag(
        "randconv_v1", "Network whose features validation compares.", choices=EXTRACTORS
    )
    extractor_weights: str = flag(
        "", "Weight file of --extractor; nothing is downloaded. randconv_v1 needs none."
    )
    histograms: bool = flag(False, "Write histograms of all weights to TensorBoard too.")
    checkpoint_every: int = flag(1, "Epochs between checkpoints.", lower=1)
    checkpoint_minutes: float = flag(
        30.0, "Minutes between checkpoints inside an epoch; 0 makes none.", lower=0.0
    )
    keep_checkpoints: int = flag(3, "Checkpoints of ends of epochs to keep.", lower=1)
    max_skipped_steps: int = flag(
        10,
        "Steps in a row skipped for a loss or gradient that is not finite, after which the run"
        " turns back to its last good checkpoint with half the learning rate.",
        lower=1,
    )
    allow_config_change: bool = flag(
        False, "Continue a run although flags that change its mathematics have changed."
    )

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
            if line.startswith("--") and not {value, ANYTHING} & {*RETIRED.get(name, ())}:
                kept.append(line)
        try:
            return cls.parse(*kept)
        except UserError as error:
            raise UserError(
                f"The run is of another version of this program: {error}. Use that version for it,"
                " or begin another run.",
                ExitCode.DAMAGED,
            ) from error
