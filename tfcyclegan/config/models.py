"""Which training flags belong to which model."""

import dataclasses
from collections.abc import Callable, Iterator

from tfcyclegan.config.train_flags import GROUPS

ONLY_OF = {
    "registration_filters": ("reggan",),
    "registration_size": ("reggan",),
    "smoothness_weight": ("reggan",),
    "nce_width": ("cut",),
    "nce_mode": ("cut",),
    "nce_weight": ("cut",),
    "nce_layers": ("cut",),
    "nce_patches": ("cut",),
    "feature_weight": ("medgan", "pan", "idcgan", "tumorgan"),
    "feature_margin": ("pan",),
    "style_weight": ("medgan",),
    "content_weight": ("medgan",),
    "vgg": ("medgan", "idcgan"),
    "gan_loss": ("dcgan",),
    "gradient_penalty_weight": ("dcgan",),
    "latent_size": ("dcgan",),
}
"""Flag to the models that it means something to."""
OF_PAIRED_CYCLEGAN = ("pair_ssim_weight", "pairs_per_example", "pair_updates", "lesion_emphasis")
CYCLE = ("cycle_weight", "identity_weight", "r1_weight", *OF_PAIRED_CYCLEGAN)
OF_ONE_PAIR = (
    *CYCLE,
    *("pool_size", "discriminator_images", "discriminator_size", "match_slice_position"),
)
NOT_OF = {
    "cyclegan": ("direction",),
    "pix2pix": OF_ONE_PAIR,
    "reggan": (*CYCLE, "match_slice_position"),
    "cut": CYCLE,
    "medgan": (*OF_ONE_PAIR, "pair_weight"),
    "pan": (*OF_ONE_PAIR, "pair_weight"),
    "idcgan": OF_ONE_PAIR,
    "dcgan": (
        *OF_ONE_PAIR,
        *("pair_weight", "generator", "generator_blocks", "unet_levels", "keep_air"),
        *("position_channels", "adversarial_loss", "accumulate_steps"),
    ),
    "tumorgan": (
        *CYCLE,
        *("pool_size", "discriminator_images", "discriminator_size", "direction", "generator"),
        *("generator_blocks", "keep_air", "position_channels", "accumulate_steps", "drop_lesions"),
    ),
}
"""Model to the flags that mean nothing to it, beside those of other models."""
PAIRED = ("pix2pix", "reggan", "medgan", "pan", "idcgan", "tumorgan")
LABELLED = ("tumorgan",)
"""Models that are shown label images, made of masks."""
UNPAIRED = ("cut", "dcgan")
PAIR_WEIGHTS = {
    "cyclegan": 10.0,
    "pix2pix": 100.0,
    "reggan": 20.0,
    "idcgan": 150.0,
    "tumorgan": 10.0,
} | dict.fromkeys(("cut", "medgan", "pan", "dcgan"), 0.0)
"""Of the error on pairs: the papers', and ours for a CycleGAN."""
FEATURE_WEIGHTS = {"medgan": 20.0, "pan": 1.0, "idcgan": 150.0, "tumorgan": 1.0}
"""Of the difference between features, as in papers or their public ports; that of tumorgan is ours.
"""
NCE_WEIGHTS = {"cut": 1.0, "fastcut": 10.0}
"""Of the contrastive loss, as in the paper."""
OF_PAIRS = ("pair_weight", "pair_patients", *OF_PAIRED_CYCLEGAN)
"""Flags that mean nothing where a run learns from no pairs."""
DEFAULTS = {field.name: field.default for g in GROUPS.values() for field in dataclasses.fields(g)}
"""A flag that means nothing says nothing either at its default."""

DEEP = ("unet_deep", "casnet")
"""Generators that --unet_levels is for."""

Rule = tuple[list[str], Callable[[dict], bool], str]


def rules() -> Iterator[Rule]:
    """Yields rules between flags: one that means nothing to the model is refused by its name.

    A weight that is ignored in silence spoils a comparison.
    """
    for model, foreign in NOT_OF.items():
        of_others = [name for name, models in ONLY_OF.items() if model not in models]
        for name in (*foreign, *of_others):
            yield (
                ["model", name],
                lambda v, model=model, name=name: (
                    v["model"] != model or _says_nothing(name, v[name])
                ),
                f"--{name} means nothing to --model={model}: leave it out",
            )
    for name in OF_PAIRS:
        yield (
            ["pairs", name],
            lambda v, name=name: v["pairs"] != "none" or v[name] == DEFAULTS[name],
            f"--{name} means nothing to --pairs=none: leave it out",
        )
    yield (
        ["model", "generator", "unet_levels"],
        lambda v: _is_deep(v) or v["unet_levels"] == DEFAULTS["unet_levels"],
        "--unet_levels needs --generator=unet_deep or casnet",
    )
    yield (
        ["model", "generator", "unet_levels", "image_size"],
        lambda v: not _is_deep(v) or v["image_size"] % 2 ** v["unet_levels"] == 0,
        "--generator=unet_deep or casnet, and --model=tumorgan, need an --image_size that 2 to the"
        " power of --unet_levels divides: take fewer levels",
    )
    yield (
        ["model", "image_size"],
        lambda v: v["model"] not in LABELLED or v["image_size"] >= 64,
        "--model=tumorgan needs an --image_size of at least 64: one discriminator sees half of it",
    )
    yield (
        ["model", "image_size"],
        lambda v: v["model"] != "dcgan" or (v["image_size"] % 32 == 0 and v["image_size"] > 32),
        "--model=dcgan needs an --image_size that 32 divides, 64 at least",
    )
    yield (
        ["model", "batch_size"],
        lambda v: v["model"] != "dcgan" or v["batch_size"] >= 8,
        "--model=dcgan needs a --batch_size of at least 8: it normalises by what a batch is like",
    )
    yield (
        ["generator", "image_size"],
        lambda v: v["generator"] != "pan" or v["image_size"] > 32,
        "--generator=pan needs an --image_size of at least 33",
    )
    for models, pairs, text in (
        (PAIRED, "only", "learns from pairs and nothing else: give --pairs=only"),
        (UNPAIRED, "none", "learns from no pairs: give --pairs=none"),
    ):
        for model in models:
            yield (
                ["model", "pairs"],
                lambda v, model=model, pairs=pairs: v["model"] != model or v["pairs"] == pairs,
                f"--model={model} {text}",
            )
    for model in ("pix2pix", "medgan", "pan", "idcgan"):
        yield (
            ["model", "position_channels"],
            lambda v, model=model: (
                v["model"] != model or v["position_channels"] in ("none", "generator")
            ),
            f"--model={model} can show a pixel's place to the generator alone",
        )
    yield (
        ["model", "nce_layers", "generator", "generator_blocks", "unet_levels"],
        lambda v: v["model"] != "cut" or _are_taps(v),
        "--nce_layers is a list of different numbers, for example 1,2,3: 0 is the image, the next"
        " halve it (2 of a resnet or curves, 4 of unet_small, 5 of unet, --unet_levels of"
        " unet_deep), and the last are residual blocks: 1, or 2 with --generator_blocks above 1",
    )
    yield (
        ["model", "registration_size", "image_size"],
        lambda v: v["model"] != "reggan" or _registers(v["registration_size"], v["image_size"]),
        "--registration_size is a power of 2, at least 8, of which --image_size is a multiple",
    )


def _is_deep(values: dict) -> bool:
    return values["generator"] in DEEP or values["model"] in LABELLED


def _says_nothing(name: str, value) -> bool:
    """Whether a flag has its default, which a list of the command line is equal to as a tuple."""
    return value == 0 or (tuple(value) if isinstance(value, list) else value) == DEFAULTS[name]


def _are_taps(values: dict) -> bool:
    """Whether the generator has the layers that are to be compared, `patch_features.taps_of`."""
    levels, blocks = values["unet_levels"], min(2, values["generator_blocks"])
    halvings = {"unet": 5, "unet_deep": levels, "unet_small": 4, "pan": 6, "idcgan": 0}
    halvings["casnet"] = levels * values["generator_blocks"]
    last = halvings.get(values["generator"], 2 + blocks)
    layers = values["nce_layers"]
    numbers = {int(layer) for layer in layers if layer.isdecimal()}
    return len(numbers) == len(layers) > 0 and max(numbers) <= last


def _registers(size: int, image_size: int) -> bool:
    size = size or image_size
    return size >= 8 and size & (size - 1) == 0 and image_size % size == 0
