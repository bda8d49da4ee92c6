"""A CycleGAN built from the flags of a run."""

import keras

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.cyclegan.cyclegan import CycleGAN
from tfcyclegan.models.cyclegan.discriminator_view import View
from tfcyclegan.models.cyclegan.objective import Objective
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.networks.initializers import SEED_STRIDE
from tfcyclegan.models.step.image_pool import ImagePool
from tfcyclegan.models.step.optimizers import make_adams


def build(config: TrainConfig, steps_per_epoch: int) -> CycleGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    view = view_of(config)
    networks = _networks(config, view)
    size = config.image_size // view.downsample
    shape = (size, size, view.channels)
    seeds = _seeds(config)
    model = CycleGAN(
        **networks,
        pool_a=ImagePool(config.pool_size, shape, seeds[4]),
        pool_b=ImagePool(config.pool_size, shape, seeds[5]),
        ema_decay=config.ema_decay,
        view=view,
        discriminator_images=config.discriminator_images,
    )
    model.compile(
        **make_adams(config, steps_per_epoch, model.guard.rate_factor),
        objective=Objective(
            adversarial=config.adversarial_loss,
            cycle_weight=config.cycle_weight,
            identity_weight=config.identity_weight,
            r1_weight=config.r1_weight,
            **_pair_weights(config),
        ),
        accumulate_steps=config.accumulate_steps,
    )
    return model


def _pair_weights(config: TrainConfig) -> dict[str, float]:
    if config.pairs == "none":
        return {}
    return {"pair_weight": config.pair_weight, "pair_ssim_weight": config.pair_ssim_weight}


def view_of(config: TrainConfig) -> View:
    """Returns how the flags want the discriminators to be shown images."""
    return View(
        downsample=max(1, config.image_size // (config.discriminator_size or config.image_size)),
        positions=config.position_channels in ("discriminator", "both"),
    )


def _networks(config: TrainConfig, view: View) -> dict[str, keras.Model]:
    generator = {
        "kind": config.generator,
        "filters": config.generator_filters,
        "blocks": config.generator_blocks,
        "levels": config.unet_levels,
        "initializer": config.initializer,
        "positions": config.position_channels in ("generator", "both"),
        "keep_air": config.keep_air,
    }
    discriminator = {
        "filters": config.discriminator_filters,
        "initializer": config.initializer,
        "positions": view.positions,
    }
    kinds = {
        "generator_ab": (build_generator, generator),
        "generator_ba": (build_generator, generator),
        "discriminator_a": (build_discriminator, discriminator),
        "discriminator_b": (build_discriminator, discriminator),
    }
    seeds = zip(kinds, _seeds(config), strict=False)
    return {name: kinds[name][0](**kinds[name][1], seed=seed, name=name) for name, seed in seeds}


def _seeds(config: TrainConfig) -> list[int]:
    """Returns a seed for each of what a run has that is random, data apart."""
    return [(config.seed * 10 + i) * SEED_STRIDE for i in range(6)]
