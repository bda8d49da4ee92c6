"""What each direction of a run is trained with, by its flags."""

import functools
from collections.abc import Callable

import keras

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.from_flags import (
    discriminator_of,
    generator_of,
    pool_of,
    seeds_of,
    view_of,
)
from tfcyclegan.models.networks.fixed_features import FixedFeatures, RandomNetwork, VGGNetwork
from tfcyclegan.models.one_way.directions import DIRECTIONS, Networks
from tfcyclegan.models.one_way.model import OneWay
from tfcyclegan.models.step.optimizers import make_adams


def networks_of(
    config: TrainConfig,
    *,
    channels: int = 1,
    pools: bool = True,
    helper: Callable[[keras.Model, int, str], keras.Model] | None = None,
    discriminator: Callable[[int, str], keras.Model] | None = None,
    features: RandomNetwork | VGGNetwork | None = None,
) -> dict[str, Networks]:
    """Returns what each direction of --direction is trained with.

    Args:
        config: Flags of the run.
        channels: Of what a discriminator judges.
        pools: Whether --pool_size asks for one.
        helper: From a generator, a seed and "ab" or "ba" to its helper.
        discriminator: From a seed and a name to a discriminator that is no PatchGAN of the flags.
        features: What the targets are compared by, if anything.
    """
    names = list(DIRECTIONS) if config.direction == "both" else [config.direction]
    seeds, networks = seeds_of(config), {}
    judge = discriminator or functools.partial(_patch_gan, config, channels)
    for i, (name, way) in enumerate(DIRECTIONS.items()):
        if name not in names:
            continue
        generator = generator_of(config, seed=seeds[i], name=f"generator_{way.ways}")
        networks[name] = Networks(
            generator=generator,
            discriminator=judge(seeds[i + 2], f"discriminator_{way.target}"),
            pool=pool_of(config, seeds[i + 4]) if pools and config.pool_size else None,
            helper=helper(generator, seeds[i + 6], way.ways) if helper else None,
            features=FixedFeatures(features) if features else None,
        )
    return networks


def _patch_gan(config: TrainConfig, channels: int, seed: int, name: str) -> keras.Model:
    return discriminator_of(config, seed=seed, name=name, channels=channels)


def settings_of(config: TrainConfig) -> dict:
    """Returns the arguments of `OneWay` that every model takes from the flags alike."""
    return {
        "ema_decay": config.ema_decay,
        "view": view_of(config),
        "discriminator_images": config.discriminator_images,
    }


def compiled(
    model: OneWay,
    config: TrainConfig,
    steps_per_epoch: int,
    *,
    generator_updates: int = 1,
    **weights,
) -> OneWay:
    """Compiles a model with what the flags say of its optimizers and adversarial loss.

    Args:
        model: The model.
        config: Flags of the run.
        steps_per_epoch: Steps per epoch.
        generator_updates: Updates of the generators in a step.
        **weights: Of its own losses, for its `compile`.
    """
    model.compile(
        **make_adams(
            config,
            steps_per_epoch,
            model.guard.rate_factor,
            generator_updates=generator_updates,
        ),
        adversarial=config.adversarial_loss,
        accumulate_steps=config.accumulate_steps,
        **weights,
    )
    return model
