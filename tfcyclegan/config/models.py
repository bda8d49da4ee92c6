"""Which training flags belong to which model."""

import dataclasses
from collections.abc import Callable, Iterator

from tfcyclegan.config.train_flags import GROUPS

OWN = {
    "reggan": ("registration_filters", "registration_size", "smoothness_weight"),
    "cut": ("nce_width", "nce_mode", "nce_weight", "nce_layers", "nce_patches"),
}
"""Model to the flags that mean nothing to any other."""
OF_PAIRED_CYCLEGAN = ("pair_ssim_weight", "pairs_per_example", "pair_updates", "lesion_emphasis")
CYCLE = ("cycle_weight", "identity_weight", "r1_weight", *OF_PAIRED_CYCLEGAN)
NOT_OF = {
    "cyclegan": ("direction",),
    "pix2pix": (
        *CYCLE,
        *("pool_size", "discriminator_images", "discriminator_size", "match_slice_position"),
    ),
    "reggan": (*CYCLE, "match_slice_position"),
    "cut": CYCLE,
}
"""Model to the flags that mean nothing to it, beside those of other models."""
PAIRED = ("pix2pix", "reggan")
UNPAIRED = ("cut",)
PAIR_WEIGHTS = {"cyclegan": 10.0, "pix2pix": 100.0, "reggan": 20.0, "cut": 0.0}
"""Of the error on pairs: the papers', and ours for a CycleGAN."""
NCE_WEIGHTS = {"cut": 1.0, "fastcut": 10.0}
"""Of the contrastive loss, as in the paper."""
OF_PAIRS = ("pair_weight", "pair_patients", *OF_PAIRED_CYCLEGAN)
"""Flags that mean nothing where a run learns from no pairs."""
DEFAULTS = {field.name: field.default for g in GROUPS.values() for field in dataclasses.fields(g)}
"""A flag that means nothing says nothing either at its default."""

Rule = tuple[list[str], Callable[[dict], bool], str]


def rules() -> Iterator[Rule]:
    """Yields rules between flags: one that means nothing to the model is refused by its name.

    A weight that is ignored in silence spoils a comparison.
    """
    for model, foreign in NOT_OF.items():
        of_others = [name for other, names in OWN.items() if other != model for name in names]
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
        ["generator", "unet_levels"],
        lambda v: v["generator"] == "unet_deep" or v["unet_levels"] == DEFAULTS["unet_levels"],
        "--unet_levels needs --generator=unet_deep",
    )
    yield (
        ["generator", "unet_levels", "image_size"],
        lambda v: v["generator"] != "unet_deep" or -v["image_size"] % 2 ** v["unet_levels"] == 0,
        "--generator=unet_deep needs an --image_size that 2 to the power of --unet_levels divides:"
        " take fewer levels",
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
    yield (
        ["model", "position_channels"],
        lambda v: v["model"] != "pix2pix" or v["position_channels"] in ("none", "generator"),
        "--model=pix2pix can show a pixel's place to the generator alone",
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


def _says_nothing(name: str, value) -> bool:
    """Whether a flag has its default, which a list of the command line is equal to as a tuple."""
    return value == 0 or (tuple(value) if isinstance(value, list) else value) == DEFAULTS[name]


def _are_taps(values: dict) -> bool:
    """Whether the generator has the layers that are to be compared, `patch_features.taps_of`."""
    halvings = {"unet": 5, "unet_deep": values["unet_levels"], "unet_small": 4}
    blocks = min(2, values["generator_blocks"])
    last = halvings.get(values["generator"], 2 + blocks)
    layers = values["nce_layers"]
    numbers = {int(layer) for layer in layers if layer.isdecimal()}
    return len(numbers) == len(layers) > 0 and max(numbers) <= last


def _registers(size: int, image_size: int) -> bool:
    size = size or image_size
    return size >= 8 and size & (size - 1) == 0 and image_size % size == 0
