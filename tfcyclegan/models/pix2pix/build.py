"""A pix2pix built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.one_way.build import compiled, networks_of, settings_of
from tfcyclegan.models.pix2pix.pix2pix import Pix2Pix


def build(config: TrainConfig, steps_per_epoch: int) -> Pix2Pix:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    networks = networks_of(config, channels=2, pools=False)
    model = Pix2Pix("pix2pix", networks, **settings_of(config))
    return compiled(model, config, steps_per_epoch, pair_weight=config.weight_of_pairs)
