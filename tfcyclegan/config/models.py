"""Which training flags belong to which model."""

from collections.abc import Callable, Iterator

NOT_OF = {
    "cyclegan": {"direction": "both"},
    "pix2pix": {
        "cycle_weight": 10.0,
        "identity_weight": 0.0,
        "pair_ssim_weight": 0.0,
        "pairs_per_example": 1,
        "r1_weight": 0.0,
        "pool_size": 50,
        "discriminator_images": 1,
        "discriminator_size": 0,
        "match_slice_position": 0.0,
    },
}
"""Model to the flags that mean nothing to it, each with its default, at which it says nothing."""

OF_PAIRS = {
    "pair_weight": 10.0,
    "pair_ssim_weight": 0.0,
    "pairs_per_example": 1,
    "pair_patients": 0,
}
"""Flags that mean nothing where a run learns from no pairs, with their defaults."""

Rule = tuple[list[str], Callable[[dict], bool], str]


def rules() -> Iterator[Rule]:
    """Yields rules between flags: one that means nothing to the model is refused by its name.

    A weight that is ignored in silence spoils a comparison.
    """
    for model, foreign in NOT_OF.items():
        for name, default in foreign.items():
            yield (
                ["model", name],
                lambda v, model=model, name=name, default=default: (
                    v["model"] != model or v[name] in (default, 0)
                ),
                f"--{name} means nothing to --model={model}: leave it out",
            )
    for name, default in OF_PAIRS.items():
        yield (
            ["pairs", name],
            lambda v, name=name, default=default: v["pairs"] != "none" or v[name] == default,
            f"--{name} means nothing to --pairs=none: leave it out",
        )
    yield (
        ["generator", "unet_levels"],
        lambda v: v["generator"] == "unet_deep" or v["unet_levels"] == 8,
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
