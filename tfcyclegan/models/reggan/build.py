"""A RegGAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.networks.registration import build_registration
from tfcyclegan.models.one_way.build import compiled, networks_of, settings_of
from tfcyclegan.models.reggan.reggan import RegGAN


def build(config: TrainConfig, steps_per_epoch: int) -> RegGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""

    def registration(_, seed, ways):
        return build_registration(
            filters=config.registration_filters,
            size=config.registration_size or config.image_size,
            initializer=config.initializer,
            seed=seed,
            name=f"registration_{ways}",
        )

    model = RegGAN(
        "reggan",
        networks_of(config, helper=registration),
        **settings_of(config),
    )
    return compiled(
        model,
        config,
        steps_per_epoch,
        pair_weight=config.weight_of_pairs,
        smoothness_weight=config.smoothness_weight,
        frame=config.image_size,
    )
