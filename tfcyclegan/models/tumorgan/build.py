"""A model that paints labels, built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.from_flags import seeds_of
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.painter import IMAGES, LABELS, build_painter
from tfcyclegan.models.step.optimizers import make_adams
from tfcyclegan.models.tumorgan.tumorgan import TumorGAN


def build(config: TrainConfig, steps_per_epoch: int) -> TumorGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    seeds = seeds_of(config)
    generator = build_painter(
        filters=config.generator_filters,
        levels=config.unet_levels,
        initializer=config.initializer,
        seed=seeds[0],
        name="generator",
    )
    discriminators = [
        build_discriminator(
            filters=config.discriminator_filters,
            initializer=config.initializer,
            seed=seed,
            name=name,
            channels=IMAGES + LABELS,
            taps=taps,
        )
        for name, seed, taps in (
            ("discriminator", seeds[2], True),
            ("discriminator_local", seeds[3], False),
        )
    ]
    model = TumorGAN(generator, *discriminators, ema_decay=config.ema_decay)
    model.compile(
        **make_adams(config, steps_per_epoch, model.guard.rate_factor),
        adversarial=config.adversarial_loss,
        pair_weight=config.weight_of_pairs,
        feature_weight=config.weight_of_features,
    )
    return model
