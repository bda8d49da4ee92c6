"""Which training flags belong to which model."""

import dataclasses
from collections.abc import Callable, Iterator

from tfcyclegan.config.train_flags import GROUPS

NOT_OF = {
    "cyclegan": ("direction",),
    "pix2pix": (
        *("cycle_weight", "identity_weight", "pair_ssim_weight", "pairs_per_example"),
        *("r1_weight", "pool_size", "discriminator_images", "discriminator_size"),
        "match_slice_position",
    ),
}
"""Model to the flags that mean nothing to it."""
OF_PAIRS = ("pair_weight", "pair_ssim_weight", "pairs_per_example", "pair_patients")
"""Flags that mean nothing where a run learns from no pairs."""
DEFAULTS = {field.name: field.default for g in GROUPS.values() for field in dataclasses.fields(g)}
"""A flag that means nothing says nothing either at its default."""

Rule = tuple[list[str], Callable[[dict], bool], str]


def rules() -> Iterator[Rule]:
    """Yields rules between flags: one that means nothing to the model is refused by its name.

    A weight that is ignored in silence spoils a comparison.
    """
    for model, foreign in NOT_OF.items():
        for name in foreign:
            yield (
                ["model", name],
                lambda v, model=model, name=name: (
                    v["model"] != model or v[name] in (DEFAULTS[name], 0)
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
    yield (
        ["model", "pairs"],
        lambda v: v["model"] != "pix2pix" or v["pairs"] == "only",
        "--model=pix2pix learns from pairs and nothing else: give --pairs=only",
    )
    yield (
        ["model", "position_channels"],
        lambda v: v["model"] != "pix2pix" or v["position_channels"] in ("none", "generator"),
        "--model=pix2pix can show a pixel's place to the generator alone",
    )
