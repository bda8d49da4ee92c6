"""A pix2pix built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.networks.initializers import SEED_STRIDE
from tfcyclegan.models.pix2pix.pix2pix import DIRECTIONS, Pix2Pix
from tfcyclegan.models.step.optimizers import make_adams


def build(config: TrainConfig, steps_per_epoch: int) -> Pix2Pix:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    names = list(DIRECTIONS) if config.direction == "both" else [config.direction]
    seeds = {name: (config.seed * 10 + i) * SEED_STRIDE for i, name in enumerate(DIRECTIONS)}
    generators = {
        name: build_generator(
            kind=config.generator,
            filters=config.generator_filters,
            blocks=config.generator_blocks,
            levels=config.unet_levels,
            initializer=config.initializer,
            positions=config.position_channels == "generator",
            keep_air=config.keep_air,
            seed=seeds[name],
            name=f"generator_{DIRECTIONS[name].ways}",
        )
        for name in names
    }
    discriminators = {
        name: build_discriminator(
            filters=config.discriminator_filters,
            initializer=config.initializer,
            channels=2,
            seed=seeds[name] + 2 * SEED_STRIDE,
            name=f"discriminator_{DIRECTIONS[name].target}",
        )
        for name in names
    }
    model = Pix2Pix(generators, discriminators, config.ema_decay)
    model.compile(
        **make_adams(config, steps_per_epoch, model.guard.rate_factor),
        adversarial=config.adversarial_loss,
        pair_weight=config.pair_weight,
        accumulate_steps=config.accumulate_steps,
    )
    return model
