"""A RegGAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.from_flags import view_of
from tfcyclegan.models.networks.registration import build_registration
from tfcyclegan.models.one_way.build import networks_of
from tfcyclegan.models.reggan.reggan import RegGAN
from tfcyclegan.models.step.optimizers import make_adams


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
        ema_decay=config.ema_decay,
        view=view_of(config),
        discriminator_images=config.discriminator_images,
    )
    model.compile(
        **make_adams(config, steps_per_epoch, model.guard.rate_factor),
        adversarial=config.adversarial_loss,
        pair_weight=config.weight_of_pairs,
        smoothness_weight=config.smoothness_weight,
        frame=config.image_size,
        accumulate_steps=config.accumulate_steps,
    )
    return model
