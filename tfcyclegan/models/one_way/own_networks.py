"""The networks of a model whose directions share none, and what a checkpoint calls them."""

import keras
import numpy as np

from tfcyclegan.models.networks.discriminator_view import AS_IT_IS, View
from tfcyclegan.models.networks.spectral import advance
from tfcyclegan.models.one_way.directions import DIRECTIONS, Networks
from tfcyclegan.models.step.image_pool import ImagePool
from tfcyclegan.models.step.moving_average import average_of, follow
from tfcyclegan.models.translation_model import TranslationModel


class OwnNetworks(TranslationModel):
    """Has a generator, a discriminator, and perhaps a helper, a pool and an average per direction.

    Args:
        name: Of the Keras model.
        networks: By direction.
        ema_decay: Decay of the moving average of the generators' weights; 0 keeps none.
        view: How the discriminators are shown images.
        discriminator_images: Images of each kind that the discriminators learn from per example;
            the generators learn from the first of them.
    """

    def __init__(
        self,
        name: str,
        networks: dict[str, Networks],
        *,
        ema_decay: float = 0.0,
        view: View = AS_IT_IS,
        discriminator_images: int = 1,
    ):
        super().__init__(name=name)
        self.ways = {direction: DIRECTIONS[direction] for direction in networks}
        self.ema_decay, self.view = ema_decay, view
        self.discriminator_images = discriminator_images
        self.own = networks
        for direction, way in self.ways.items():
            own = networks[direction]
            # Attributes of the model, because their names are the keys of a checkpoint.
            setattr(self, f"generator_{way.ways}", own.generator)
            setattr(self, f"discriminator_{way.target}", own.discriminator)
            if own.helper:
                setattr(self, own.helper.name, own.helper)
            if own.pool:
                setattr(self, f"pool_{way.target}", own.pool)
            if own.features:
                setattr(self, f"features_{way.target}", own.features)
            if ema_decay:
                setattr(self, f"average_{way.ways}", average_of(own.generator))
        self.built = True

    @property
    def networks(self) -> dict[str, keras.Model]:
        kinds = (self.generators, self.discriminators, self.helpers)
        return {network.name: network for kind in kinds for network in kind.values()}

    @property
    def generators(self) -> dict[str, keras.Model]:
        return {name: own.generator for name, own in self.own.items()}

    @property
    def translators(self) -> dict[str, keras.Model]:
        if not self.ema_decay:
            return self.generators
        return {name: getattr(self, f"average_{way.ways}") for name, way in self.ways.items()}

    @property
    def discriminators(self) -> dict[str, keras.Model]:
        """The discriminator of each direction."""
        return {name: own.discriminator for name, own in self.own.items()}

    @property
    def helpers(self) -> dict[str, keras.Model]:
        """The helper of each direction that has one."""
        return {name: own.helper for name, own in self.own.items() if own.helper}

    @property
    def pools(self) -> dict[str, ImagePool]:
        return {self.ways[name].target: own.pool for name, own in self.own.items() if own.pool}

    @property
    def generator_variables(self) -> list:
        """Trainable variables of all generators, and of their helpers."""
        networks = (*self.generators.values(), *self.helpers.values())
        return [v for network in networks for v in network.trainable_variables]

    @property
    def discriminator_variables(self) -> list:
        """Trainable variables of all discriminators."""
        return [v for network in self.discriminators.values() for v in network.trainable_variables]

    @property
    def compared_by(self) -> dict:
        of_targets = {self.ways[name].target: own.features for name, own in self.own.items()}
        return {target: f.described() for target, f in of_targets.items() if f}

    def prepare(self, real: dict[str, np.ndarray]) -> None:
        for name, own in self.own.items():
            if own.features:
                own.features.measure(real[self.ways[name].target])

    def follow_weights(self) -> None:
        """Lets averages and spectral norms follow the weights of an update."""
        for network in self.discriminators.values():
            advance(network)
        if self.ema_decay:
            for name, generator in self.generators.items():
                follow(self.translators[name], generator, self.ema_decay)
