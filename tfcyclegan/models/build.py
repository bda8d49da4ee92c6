"""The model of a run, by its flags."""

from collections.abc import Callable

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.cut import build as cut
from tfcyclegan.models.cyclegan import build as cyclegan
from tfcyclegan.models.dcgan import build as dcgan
from tfcyclegan.models.idcgan import build as idcgan
from tfcyclegan.models.medgan import build as medgan
from tfcyclegan.models.pan import build as pan
from tfcyclegan.models.pix2pix import build as pix2pix
from tfcyclegan.models.reggan import build as reggan
from tfcyclegan.models.translation_model import TranslationModel
from tfcyclegan.models.tumorgan import build as tumorgan

MODELS: dict[str, Callable[[TrainConfig, int], TranslationModel]] = {
    "cyclegan": cyclegan.build,
    "pix2pix": pix2pix.build,
    "reggan": reggan.build,
    "cut": cut.build,
    "medgan": medgan.build,
    "pan": pan.build,
    "idcgan": idcgan.build,
    "dcgan": dcgan.build,
    "tumorgan": tumorgan.build,
}
"""Value of --model to what builds it from the flags and the updates per epoch."""


def build_model(config: TrainConfig, steps_per_epoch: int = 1) -> TranslationModel:
    """Builds and compiles the model of a run; call it under the scope of its strategy.

    Args:
        config: Flags of the run.
        steps_per_epoch: Steps per epoch, which the learning rate's decay counts in.
    """
    return MODELS[config.model](config, steps_per_epoch)
