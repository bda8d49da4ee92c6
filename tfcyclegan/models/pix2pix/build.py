"""A pix2pix built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.one_way.build import networks_of
from tfcyclegan.models.pix2pix.pix2pix import Pix2Pix
from tfcyclegan.models.step.optimizers import make_adams


def build(config: TrainConfig, steps_per_epoch: int) -> Pix2Pix:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    networks = networks_of(config, channels=2, pools=False)
    model = Pix2Pix("pix2pix", networks, ema_decay=config.ema_decay)
    model.compile(
        **make_adams(config, steps_per_epoch, model.guard.rate_factor),
        adversarial=config.adversarial_loss,
        pair_weight=config.weight_of_pairs,
        accumulate_steps=config.accumulate_steps,
    )
    return model
