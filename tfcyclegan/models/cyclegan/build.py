"""A CycleGAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.cyclegan.cyclegan import CycleGAN
from tfcyclegan.models.cyclegan.objective import Objective
from tfcyclegan.models.from_flags import (
    discriminator_of,
    generator_of,
    pool_of,
    seeds_of,
    view_of,
)
from tfcyclegan.models.step.optimizers import make_adams


def build(config: TrainConfig, steps_per_epoch: int) -> CycleGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    seeds = seeds_of(config)
    names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
    makers = (generator_of, generator_of, discriminator_of, discriminator_of)
    model = CycleGAN(
        **{
            name: maker(config, seed=seed, name=name)
            for name, maker, seed in zip(names, makers, seeds, strict=False)
        },
        pool_a=pool_of(config, seeds[4]),
        pool_b=pool_of(config, seeds[5]),
        ema_decay=config.ema_decay,
        view=view_of(config),
        discriminator_images=config.discriminator_images,
        pair_updates=config.pair_updates,
    )
    model.compile(
        **make_adams(
            config,
            steps_per_epoch,
            model.guard.rate_factor,
            generator_updates=config.pair_updates,
        ),
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
    return {
        "pair_weight": config.weight_of_pairs,
        "pair_ssim_weight": config.pair_ssim_weight,
        "lesion_emphasis": config.lesion_emphasis,
    }
