"""A DCGAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.dcgan.dcgan import DCGAN
from tfcyclegan.models.from_flags import seeds_of
from tfcyclegan.models.networks.latent import (
    build_critic,
    build_matching_discriminator,
    build_sampler,
)
from tfcyclegan.models.step.optimizers import make_adams

SAMPLED = {"both": "ab", "b_to_a": "a", "a_to_b": "b"}
"""--direction to the domains that are sampled: those that it leads to."""

CRITIC_BETAS = (0.0, 0.9)
"""Gulrajani et al. (2017), arXiv:1704.00028, and Kossen et al. (2021)."""


def build(config: TrainConfig, steps_per_epoch: int) -> DCGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    seeds, networks = seeds_of(config), {}
    common = {"size": config.image_size, "initializer": config.initializer}
    for i, domain in enumerate("ab"):
        if domain not in SAMPLED[config.direction]:
            continue
        generator = build_sampler(
            filters=config.generator_filters,
            latent=config.latent_size,
            seed=seeds[i],
            name=f"generator_{domain}",
            **common,
        )
        common_d = {
            **common,
            "filters": config.discriminator_filters,
            "seed": seeds[i + 2],
            "name": f"discriminator_{domain}",
        }
        if config.gan_loss.startswith("wgan"):
            spectral = config.gan_loss == "wgan_gp_sn"
            discriminator = build_critic(spectral=spectral, **common_d)
        else:
            discriminator = build_matching_discriminator(**common_d)
        networks[domain] = (generator, discriminator)
    model = DCGAN(networks, gan_loss=config.gan_loss, ema_decay=config.ema_decay, seed=config.seed)
    model.compile(
        **make_adams(
            config,
            steps_per_epoch,
            model.guard.rate_factor,
            discriminator_updates=model.updates,
            **({"betas": CRITIC_BETAS} if model.critics else {}),
        ),
        penalty_weight=config.gradient_penalty_weight,
    )
    return model
