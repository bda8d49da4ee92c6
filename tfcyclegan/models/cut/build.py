"""A CUT or FastCUT built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.cut.cut import CUT
from tfcyclegan.models.networks.patch_features import build_projector, encoder_of
from tfcyclegan.models.one_way.build import compiled, networks_of, settings_of


def build(config: TrainConfig, steps_per_epoch: int) -> CUT:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    layers = tuple(int(layer) for layer in config.nce_layers)

    def projector(generator, seed, ways):
        return build_projector(
            encoder_of(generator, layers),
            width=config.nce_width,
            initializer=config.initializer,
            seed=seed,
            name=f"projector_{ways}",
        )

    model = CUT(
        networks_of(config, helper=projector),
        layers=layers,
        fast=config.nce_mode == "fastcut",
        patches=config.nce_patches,
        seed=config.seed,
        **settings_of(config),
    )
    return compiled(
        model,
        config,
        steps_per_epoch,
        nce_weight=config.weight_of_nce,
    )
