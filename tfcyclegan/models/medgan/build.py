"""A MedGAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.medgan.medgan import UPDATES, MedGAN
from tfcyclegan.models.networks.feature_discriminators import build_small_patch_discriminator
from tfcyclegan.models.networks.fixed_features import feature_network
from tfcyclegan.models.one_way.build import compiled, networks_of, settings_of


def build(config: TrainConfig, steps_per_epoch: int) -> MedGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""

    def discriminator(seed, name):
        return build_small_patch_discriminator(
            filters=config.discriminator_filters,
            initializer=config.initializer,
            seed=seed,
            name=name,
        )

    networks = networks_of(
        config,
        discriminator=discriminator,
        pools=False,
        features=feature_network(config.vgg, "vgg19"),
    )
    return compiled(
        MedGAN("medgan", networks, **settings_of(config)),
        config,
        steps_per_epoch,
        generator_updates=UPDATES,
        feature_weight=config.weight_of_features,
        style_weight=config.style_weight,
        content_weight=config.content_weight,
    )
