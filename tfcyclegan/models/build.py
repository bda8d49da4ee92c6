"""The model of a run, built from its flags."""

import keras

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.cyclegan.cyclegan import CycleGAN
from tfcyclegan.models.cyclegan.discriminator_view import View
from tfcyclegan.models.cyclegan.objective import Objective
from tfcyclegan.models.networks import discriminators, generators
from tfcyclegan.models.step.image_pool import ImagePool
from tfcyclegan.models.step.optimizers import Adam, ConstantThenLinear

ADAM_BETA_1 = 0.5
"""Zhu et al. (2017), section 7.1 and their code; 0.9 makes the discriminators oscillate."""

SEED_STRIDE = 1000
"""Seeds of one network's layers; two networks share none."""


def build_model(config: TrainConfig, steps_per_epoch: int = 1) -> CycleGAN:
    """Builds and compiles the model of a run; call it under the scope of its strategy.

    Args:
        config: Flags of the run.
        steps_per_epoch: Updates per epoch, which the learning rate's decay counts in.
    """
    generator = {
        "kind": config.generator,
        "filters": config.generator_filters,
        "blocks": config.generator_blocks,
        "upsampling": config.upsampling,
        "initializer": config.initializer,
        "positions": config.position_channels in ("generator", "both"),
        "keep_air": config.keep_air,
    }
    view = view_of(config)
    discriminator = {
        "filters": config.discriminator_filters,
        "initializer": config.initializer,
        "positions": view.positions,
    }
    seeds = _seeds(config)
    size = config.image_size // view.downsample
    shape = (size, size, view.channels)
    model = CycleGAN(
        generator_ab=generators.build_generator(**generator, seed=seeds[0], name="generator_ab"),
        generator_ba=generators.build_generator(**generator, seed=seeds[1], name="generator_ba"),
        discriminator_a=discriminators.build_discriminator(
            **discriminator, seed=seeds[2], name="discriminator_a"
        ),
        discriminator_b=discriminators.build_discriminator(
            **discriminator, seed=seeds[3], name="discriminator_b"
        ),
        pool_a=ImagePool(config.pool_size, shape, seeds[4]),
        pool_b=ImagePool(config.pool_size, shape, seeds[5]),
        ema_decay=config.ema_decay,
        view=view,
        discriminator_images=config.discriminator_images,
    )
    model.compile(
        generator_optimizer=_optimizer(
            config, steps_per_epoch, config.learning_rate, model.guard.rate_factor
        ),
        discriminator_optimizer=_optimizer(
            config,
            steps_per_epoch,
            config.discriminator_learning_rate or config.learning_rate,
            model.guard.rate_factor,
        ),
        objective=Objective(
            adversarial=config.adversarial_loss,
            cycle_weight=config.cycle_weight,
            identity_weight=config.identity_weight,
            structure=config.structure_loss,
            structure_weight=config.structure_weight,
            r1_weight=config.r1_weight,
            r1_every=config.r1_every,
        ),
        accumulate_steps=config.accumulate_steps,
        clip_gradient_norm=config.clip_gradient_norm,
    )
    return model


def view_of(config: TrainConfig) -> View:
    """Returns how the flags want the discriminators to be shown images."""
    return View(
        downsample=max(1, config.image_size // (config.discriminator_size or config.image_size)),
        positions=config.position_channels in ("discriminator", "both"),
    )


def _seeds(config: TrainConfig) -> list[int]:
    """Returns a seed for each of what a run has that is random, data apart."""
    return [(config.seed * 10 + i) * SEED_STRIDE for i in range(6)]


def _optimizer(
    config: TrainConfig, steps_per_epoch: int, rate: float, factor: keras.Variable
) -> keras.Optimizer:
    rate = ConstantThenLinear(
        rate, config.decay_start_epoch * steps_per_epoch, config.epochs * steps_per_epoch, factor
    )
    adam = Adam(rate, beta_1=ADAM_BETA_1)
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(adam)
    return adam
