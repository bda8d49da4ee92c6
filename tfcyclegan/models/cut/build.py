"""A CUT or FastCUT built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.cut.cut import CUT
from tfcyclegan.models.from_flags import view_of
from tfcyclegan.models.networks.patch_features import build_projector, encoder_of
from tfcyclegan.models.one_way.build import networks_of
from tfcyclegan.models.step.optimizers import make_adams


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
        ema_decay=config.ema_decay,
        view=view_of(config),
        discriminator_images=config.discriminator_images,
    )
    model.compile(
        **make_adams(config, steps_per_epoch, model.guard.rate_factor),
        adversarial=config.adversarial_loss,
        nce_weight=config.weight_of_nce,
        accumulate_steps=config.accumulate_steps,
    )
    return model
