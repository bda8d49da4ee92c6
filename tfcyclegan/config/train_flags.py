"""Flags of the command that trains, in five groups; `config.training` puts them together."""

import dataclasses

from tfcyclegan.config.command import Command, flag
from tfcyclegan.config.evaluation import extractor_flag


@dataclasses.dataclass(frozen=True)
class DataFlags(Command):
    """What is learnt from, and how it is looked at."""

    data_dir: str = flag("", "Directory with shards and manifest.jsonl.", required=True)
    domain_a: str = flag("t2", "Sequence that is domain a.")
    domain_b: str = flag("flair", "Sequence that is domain b.")
    fold: str = flag(
        "",
        "K/N deals all patients, whatever their split, into N folds; fold K, from 0, is split test"
        " and the rest split train, also for validation. Empty takes the records' own splits.",
    )
    drop_lesions: str = flag(
        "none",
        "A stress test, no recipe: the domain whose slices with a lesion, or without a lesion mask,"
        " are not trained on.",
        choices=["none", "a", "b"],
    )
    pairs: str = flag(
        "none",
        "Slices of both domains that show one place of one head also teach the generators: auto"
        " takes those of split train where there are any, only leaves out all other slices.",
        choices=["auto", "none", "only"],
    )
    pair_patients: int = flag(
        0, "Patients whose pairs are used, drawn by --seed; 0 means all.", lower=0
    )
    image_size: int = flag(
        256, "Height and width the networks see, in pixels.", lower=32, upper=1024
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
        "Draw b, or the lesion that --model=tumorgan plants, within this share of the head from a's"
        " slice position; 0 draws it anywhere.",
        lower=0.0,
        upper=1.0,
    )


@dataclasses.dataclass(frozen=True)
class NetworkFlags(Command):
    """What is trained."""

    model: str = flag(
        "cyclegan",
        "What is trained.",
        choices=[
            *("cyclegan", "pix2pix", "reggan", "cut", "medgan", "pan", "idcgan", "dcgan"),
            "tumorgan",
        ],
    )
    direction: str = flag(
        "both",
        "Directions that are trained; a model with a cycle needs both.",
        choices=["both", "a_to_b", "b_to_a"],
    )
    generator: str = flag(
        "resnet",
        "Kind of the generators.",
        choices=[
            *("resnet", "resnet_resize", "unet", "unet_deep", "unet_small", "curves"),
            *("casnet", "pan", "idcgan"),
        ],
    )
    generator_blocks: int = flag(
        9,
        "Residual blocks of a resnet, 9 for 256 px and 6 for 128 px; U-Nets of --generator=casnet.",
        lower=1,
    )
    unet_levels: int = flag(
        8,
        "Levels of --generator=unet_deep and casnet, and of --model=tumorgan: 8 for 256 px, 7 for"
        " 128 px.",
        lower=2,
        upper=10,
    )
    generator_filters: int = flag(64, "Filters of the generator's first layer.", lower=1)
    discriminator_filters: int = flag(64, "Filters of the discriminator's first layer.", lower=1)
    initializer: str = flag(
        "he_normal",
        "Initial weights of convolutions.",
        choices=["he_normal", "normal_0.02", "normal_0.05"],
    )
    position_channels: str = flag(
        "none",
        "Networks that also see where a pixel is: row and column; discriminators the slice, too.",
        choices=["none", "discriminator", "generator", "both"],
    )
    registration_filters: int = flag(
        32, "Filters of the first layer of the registration network of --model=reggan.", lower=1
    )
    registration_size: int = flag(
        0,
        "Height and width that it sees, a power of 2 of which --image_size is a multiple; 0 is"
        " --image_size.",
        lower=0,
    )
    latent_size: int = flag(100, "Random numbers that --model=dcgan makes an image of.", lower=1)
    nce_width: int = flag(256, "Length of the features that --model=cut compares.", lower=1)
    keep_air: bool = flag(False, "Pass what lies outside the head through the generators as it is.")


@dataclasses.dataclass(frozen=True)
class ObjectiveFlags(Command):
    """What the networks are asked for."""

    adversarial_loss: str = flag(
        "vanilla", "Cross-entropy (vanilla) or least squares.", choices=["vanilla", "lsgan"]
    )
    cycle_weight: float = flag(10.0, "Weight of the cycle loss.", lower=0.0)
    identity_weight: float = flag(
        0.0, "Weight of the identity loss as a multiple of --cycle_weight.", lower=0.0
    )
    pairs_per_example: int = flag(1, "Pairs that an update learns from, per example.", lower=1)
    pair_updates: int = flag(
        1,
        "Updates of the generators per step. All but the last learn from pairs alone, each from"
        " others.",
        lower=1,
    )
    pair_weight: float = flag(
        0.0,
        "Weight of the error on pairs; 0 is the model's own: 10 inside the head, but over the whole"
        " slice 100 for pix2pix, 20 for reggan and 150 for idcgan, and 10 in the brain for"
        " tumorgan.",
        lower=0.0,
    )
    pair_ssim_weight: float = flag(
        0.0, "Weight of 1 - SSIM inside the head on pairs; 0 is off.", lower=0.0
    )
    lesion_emphasis: float = flag(
        0.0,
        "How much more the absolute error on pairs counts where both slices are bright, as lesions"
        " are: times what is above 1.2 means of the head.",
        lower=0.0,
    )
    smoothness_weight: float = flag(
        10.0, "Weight of what --model=reggan moves neighbouring pixels apart.", lower=0.0
    )
    nce_mode: str = flag(
        "cut",
        "The contrastive loss of --model=cut: cut has an identity term, fastcut mirrors half of the"
        " sources and has none.",
        choices=["cut", "fastcut"],
    )
    nce_weight: float = flag(
        0.0, "Its weight; 0 is the paper's, 1 for cut and 10 for fastcut.", lower=0.0
    )
    nce_layers: tuple = flag(
        ("1", "2", "3", "4"),
        "Layers of the generator whose features it compares: 0 is the image itself, 1 and 2 halve"
        " it, 3 and 4 are the first and the fifth residual block.",
    )
    nce_patches: int = flag(256, "Patches of an image that it compares.", lower=2)
    gan_loss: str = flag(
        "feature_matching",
        "What --model=dcgan learns by: mean features of real slices, the adversarial loss, or a"
        " critic with a gradient penalty, with instance norm (wgan_gp) or spectral (wgan_gp_sn).",
        choices=["feature_matching", "vanilla", "wgan_gp", "wgan_gp_sn"],
    )
    gradient_penalty_weight: float = flag(10.0, "Weight of that penalty.", lower=0.0)
    feature_weight: float = flag(
        0.0,
        "Weight of the difference between features on pairs; 0 is the model's own: 20 for medgan, 1"
        " for pan, 150 for idcgan, 1 for tumorgan.",
        lower=0.0,
    )
    feature_margin: float = flag(
        3.0, "Difference that the discriminators of --model=pan are asked to see.", lower=0.0
    )
    style_weight: float = flag(1e-4, "Weight of the style term of --model=medgan.", lower=0.0)
    content_weight: float = flag(1e-4, "Weight of its content term.", lower=0.0)
    vgg: str = flag(
        "",
        "A .pth file of torchvision whose features count: VGG-19 for medgan, VGG-16 for idcgan."
        " Empty takes features of fixed random weights, which know nothing of images.",
    )
    r1_weight: float = flag(
        0.0,
        "Weight of the discriminators' R1 penalty, the slope at real images. Every fourth step has"
        " it, and there it counts four times.",
        lower=0.0,
    )
    pool_size: int = flag(50, "Translated images each discriminator remembers; 0 is off.", lower=0)
    discriminator_images: int = flag(
        1,
        "Images of each kind that a discriminator learns from per example; those after the first"
        " are further slices, and translations from the pool.",
        lower=1,
    )
    discriminator_size: int = flag(
        0,
        "Discriminators see images averaged by a whole factor to no fewer pixels a side than this,"
        " and so more of a head at once; 0 shows them as they are.",
        lower=0,
    )


@dataclasses.dataclass(frozen=True)
class OptimisationFlags(Command):
    """How the weights move."""

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
    ema_decay: float = flag(
        0.0,
        "Decay of the generators' moving average, used for validation, evaluation and export; 0 is"
        " off.",
        lower=0.0,
        upper=0.99999,
    )
    seed: int = flag(0, "Seed of weights, order and augmentation.", lower=0)
    deterministic: bool = flag(True, "Same seed, same weights to the bit; costs some speed.")
    precision: str = flag(
        "float32", "Keras precision policy.", choices=["float32", "mixed_bfloat16", "mixed_float16"]
    )


@dataclasses.dataclass(frozen=True)
class RunFlags(Command):
    """Where a run is, and what it does beside its steps."""

    workdir: str = flag(
        "", "Directory for checkpoints, logs and samples; a run in it continues.", required=True
    )
    strategy: str = flag(
        "auto",
        "How to distribute; auto takes the workers of TF_CONFIG, or else mirrors over all GPUs.",
        choices=["auto", "single", "mirrored", "multi_worker"],
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
    extractor: str = extractor_flag("validation compares")
    allow_config_change: bool = flag(
        False, "Continue a run although flags that change its mathematics have changed."
    )


GROUPS = {
    "Data": DataFlags,
    "Networks": NetworkFlags,
    "Objective": ObjectiveFlags,
    "Optimisation": OptimisationFlags,
    "Run": RunFlags,
}
"""In the order of docs/flags.md."""
