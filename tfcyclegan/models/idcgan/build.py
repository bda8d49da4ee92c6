"""An ID-CGAN built from the flags of a run."""

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.idcgan.idcgan import IDCGAN
from tfcyclegan.models.networks.fixed_features import feature_network
from tfcyclegan.models.one_way.build import compiled, networks_of, settings_of


def build(config: TrainConfig, steps_per_epoch: int) -> IDCGAN:
    """Builds and compiles the model; arguments as of `models.build.build_model`."""
    networks = networks_of(
        config, channels=2, pools=False, features=feature_network(config.vgg, "vgg16")
    )
    return compiled(
        IDCGAN("idcgan", networks, **settings_of(config)),
        config,
        steps_per_epoch,
        pair_weight=config.weight_of_pairs,
        feature_weight=config.weight_of_features,
    )
