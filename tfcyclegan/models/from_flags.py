"""The pieces of a model as the flags of a run describe them."""

import keras

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.networks.discriminator_view import View
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.networks.initializers import SEED_STRIDE
from tfcyclegan.models.step.image_pool import ImagePool


def view_of(config: TrainConfig) -> View:
    """Returns how the flags want the discriminators to be shown images."""
    return View(
        downsample=max(1, config.image_size // (config.discriminator_size or config.image_size)),
        positions=config.position_channels in ("discriminator", "both"),
    )


def seeds_of(config: TrainConfig) -> list[int]:
    """Returns a seed for each of what a run has that is random, data apart.

    Two each of the generators, the discriminators, the pools and the helpers. Which is whose is
    the model's own: another order would be another run.
    """
    return [(config.seed * 10 + i) * SEED_STRIDE for i in range(8)]


def generator_of(config: TrainConfig, *, seed: int, name: str) -> keras.Model:
    """Returns the generator that the flags describe."""
    return build_generator(
        kind=config.generator,
        filters=config.generator_filters,
        blocks=config.generator_blocks,
        levels=config.unet_levels,
        initializer=config.initializer,
        positions=config.position_channels in ("generator", "both"),
        keep_air=config.keep_air,
        seed=seed,
        name=name,
    )


def discriminator_of(
    config: TrainConfig, *, seed: int, name: str, channels: int = 1
) -> keras.Model:
    """Returns the discriminator that the flags describe, of so many channels and their place."""
    return build_discriminator(
        filters=config.discriminator_filters,
        initializer=config.initializer,
        positions=view_of(config).positions,
        channels=channels,
        seed=seed,
        name=name,
    )


def pool_of(config: TrainConfig, seed: int) -> ImagePool:
    """Returns a pool of images as the discriminators see them."""
    view = view_of(config)
    size = config.image_size // view.downsample
    return ImagePool(config.pool_size, (size, size, view.channels), seed)
