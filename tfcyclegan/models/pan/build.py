"""A PAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.networks.feature_discriminators import build_global_discriminator
from tfcyclegan.models.one_way.build import compiled, networks_of, settings_of
from tfcyclegan.models.pan.pan import PAN


def build(config: TrainConfig, steps_per_epoch: int) -> PAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""

    def discriminator(seed, name):
        return build_global_discriminator(
            filters=config.discriminator_filters,
            size=config.image_size,
            initializer=config.initializer,
            seed=seed,
            name=name,
        )

    networks = networks_of(config, discriminator=discriminator, pools=False)
    return compiled(
        PAN("pan", networks, **settings_of(config)),
        config,
        steps_per_epoch,
        feature_weight=config.weight_of_features,
        margin=config.feature_margin,
    )
