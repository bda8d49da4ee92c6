"""pix2pix as a Keras model with its own train step (Isola et al. 2017, arXiv:1611.07004)."""

import dataclasses

import keras
import tensorflow as tf

from tfcyclegan.models.losses.adversarial import (
    cycle_loss,
    discriminator_adversarial_loss,
    generator_adversarial_loss,
    share_judged_right,
)
from tfcyclegan.models.step.gradients import over_parts, replica_loss, summed
from tfcyclegan.models.step.moving_average import average_of, follow
from tfcyclegan.models.step.replicas import update_if
from tfcyclegan.models.translation_model import TranslationModel


@dataclasses.dataclass(frozen=True)
class Direction:
    """Where a direction finds its slices in a pair, and what its networks are called.

    Attributes:
        source: Place of its source in a pair, 0 for domain a.
        ways: "ab" or "ba".
        target: "a" or "b", whose images its discriminator judges.
    """

    source: int
    ways: str
    target: str

    @property
    def losses(self) -> tuple[str, ...]:
        """Names in the logs of the generator's losses."""
        return f"generator_{self.ways}_loss", f"pair_{self.ways}_loss"

    @property
    def judged(self) -> tuple[str, ...]:
        """Names in the logs of the discriminator's loss, and of how often it is right."""
        name = f"discriminator_{self.target}"
        return f"{name}_loss", f"{name}_accuracy_real", f"{name}_accuracy_fake"


DIRECTIONS = {"a_to_b": Direction(0, "ab", "b"), "b_to_a": Direction(1, "ba", "a")}
NORMS = ("generator_gradient_norm", "discriminator_gradient_norm")


class Pix2Pix(TranslationModel):
    """Translates in the directions that it has networks for; two directions share nothing.

    Networks are injected, and built already; optimizers come with `compile`.

    Args:
        generators: Direction to a model from source to target, [N, H, W, 1], model range.
        discriminators: Direction to a model from [N, H, W, 2], target and source, to logits
            [N, h, w, 1].
        ema_decay: Decay of the moving average of the generators' weights; 0 keeps none.
    """

    title = "pix2pix"
    data_kind = "paired"

    def __init__(
        self,
        generators: dict[str, keras.Model],
        discriminators: dict[str, keras.Model],
        ema_decay: float = 0.0,
    ):
        super().__init__(name="pix2pix")
        self.ways = {name: DIRECTIONS[name] for name in generators}
        self.ema_decay = ema_decay
        for name, way in self.ways.items():
            setattr(self, f"generator_{way.ways}", generators[name])
            setattr(self, f"discriminator_{way.target}", discriminators[name])
            if ema_decay:
                setattr(self, f"average_{way.ways}", average_of(generators[name]))
        self.built = True

    def compile(
        self,
        *,
        generator_optimizer,
        discriminator_optimizer,
        adversarial: str,
        pair_weight: float,
        accumulate_steps: int = 1,
        **kwargs,
    ):
        """Sets the optimizers, one for all generators and one for all discriminators.

        Args:
            generator_optimizer: Updates the generators.
            discriminator_optimizer: Updates the discriminators.
            adversarial: "vanilla" or "lsgan".
            pair_weight: Of the absolute error, 100 in the paper.
            accumulate_steps: Parts that a batch goes through the networks in, before one update.
            **kwargs: For keras.Model.compile.
        """
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer
        self.adversarial, self.pair_weight = adversarial, pair_weight
        self.accumulate_steps = accumulate_steps
        of_generators = [name for way in self.ways.values() for name in way.losses]
        of_discriminators = [way.judged[0] for way in self.ways.values()]
        self.generator_losses = ("loss", *of_generators)
        self.tracked = (*self.generator_losses, *of_discriminators)
        accuracies = [name for way in self.ways.values() for name in way.judged[1:]]
        self.diagnosed = (*accuracies, *NORMS)
        self.shown = self.tracked
        names = (*self.tracked, *self.diagnosed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        generator_optimizer.build(self.generator_variables)
        discriminator_optimizer.build(self.discriminator_variables)

    @property
    def networks(self) -> dict[str, keras.Model]:
        names = [f"generator_{way.ways}" for way in self.ways.values()]
        names += [f"discriminator_{way.target}" for way in self.ways.values()]
        return {name: getattr(self, name) for name in names}

    @property
    def generators(self) -> dict[str, keras.Model]:
        return {name: getattr(self, f"generator_{way.ways}") for name, way in self.ways.items()}

    @property
    def translators(self) -> dict[str, keras.Model]:
        if not self.ema_decay:
            return self.generators
        return {name: getattr(self, f"average_{way.ways}") for name, way in self.ways.items()}

    @property
    def discriminators(self) -> dict[str, keras.Model]:
        """The discriminator of each direction."""
        return {
            name: getattr(self, f"discriminator_{way.target}") for name, way in self.ways.items()
        }

    @property
    def generator_variables(self) -> list:
        """Trainable variables of all generators."""
        return [v for network in self.generators.values() for v in network.trainable_variables]

    @property
    def discriminator_variables(self) -> list:
        """Trainable variables of all discriminators."""
        return [v for network in self.discriminators.values() for v in network.trainable_variables]

    @property
    def optimizers(self) -> dict[str, keras.Optimizer]:
        return {
            "generator_optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    @tf.autograph.experimental.do_not_convert  # as in Keras' fit; a third of the time to trace it
    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict:
        """Updates generators and discriminators, both from the weights before, on one batch.

        Where a loss or gradient is not finite on any replica, nothing changes on any of them.

        Args:
            data: The slices of pairs, (a, b), float32 [N, H, W, 1], model range.

        Returns:
            Means of the tracked losses and of the diagnostics since the start of the epoch.
        """
        values, descent_g = over_parts(
            self._taught_generators,
            data,
            parts=self.accumulate_steps,
            variables=self.generator_variables,
            names=(*self.generator_losses, *self.ways),
        )
        fakes = [values.pop(name) for name in self.ways]
        judged, descent_d = over_parts(
            self._taught_discriminators,
            (*data, *fakes),
            parts=self.accumulate_steps,
            variables=self.discriminator_variables,
            names=tuple(name for way in self.ways.values() for name in way.judged),
        )
        values |= judged
        descent_g, norm_g = summed(descent_g, self.optimizer)
        descent_d, norm_d = summed(descent_d, self.discriminator_optimizer)
        values |= dict(zip(NORMS, (norm_g, norm_d), strict=True))
        good = self.guard.admit(
            [values[name] for name in self.tracked],
            (self.optimizer, norm_g),
            (self.discriminator_optimizer, norm_d),
        )
        update_if(good, self._update, (descent_g, descent_d, values))
        return self.get_metrics_result()

    def _update(self, descent_g, descent_d, values: dict) -> None:
        """Makes every change of a step: weights, optimizers, averages, running means."""
        self.optimizer.apply(descent_g, self.generator_variables)
        self.discriminator_optimizer.apply(descent_d, self.discriminator_variables)
        if self.ema_decay:
            for name, generator in self.generators.items():
                follow(self.translators[name], generator, self.ema_decay)
        self.track(values, self.diagnosed)

    def _taught_generators(self, *pair) -> tuple[dict, list]:
        """Returns losses [N] and translations of pairs, and the generators' gradients."""
        with tf.GradientTape() as tape:
            fakes = self.translate(pair)
            values = self.losses_of(pair, fakes)
            total = replica_loss(values["loss"], self.optimizer)
        return values | fakes, tape.gradient(total, self.generator_variables)

    def translate(self, pair: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns what each generator makes of its source, [N, H, W, 1], by direction."""
        return {
            name: generator(pair[self.ways[name].source], training=True)
            for name, generator in self.generators.items()
        }

    def losses_of(self, pair: tuple[tf.Tensor, tf.Tensor], fakes: dict) -> dict[str, tf.Tensor]:
        """Returns every generator loss per example, float32 [N]; "loss" is their weighted sum."""
        values, total = {}, 0.0
        for name, way in self.ways.items():
            source, target = pair[way.source], pair[1 - way.source]
            # The condition stands beside the image, so that a score is of the two together.
            scores = self.discriminators[name](tf.concat([fakes[name], source], -1), training=True)
            adversarial = generator_adversarial_loss(scores, kind=self.adversarial)
            error = cycle_loss(target, fakes[name])
            values |= dict(zip(way.losses, (adversarial, error), strict=True))
            total += adversarial + self.pair_weight * error
        return {**values, "loss": total}

    def _taught_discriminators(self, pair_a, pair_b, *fakes) -> tuple[dict, list]:
        """Returns losses and accuracies [N] of pairs, and the discriminators' gradients."""
        pair, values = (pair_a, pair_b), {}
        with tf.GradientTape() as tape:
            total = 0.0
            for (name, way), fake in zip(self.ways.items(), fakes, strict=True):
                source, target = pair[way.source], pair[1 - way.source]
                # As one batch: instance normalisation keeps the examples apart.
                shown = [tf.concat([image, source], -1) for image in (target, fake)]
                scores = self.discriminators[name](tf.concat(shown, 0), training=True)
                real, made = tf.split(scores, 2)
                loss = discriminator_adversarial_loss(real, made, kind=self.adversarial)
                right = [
                    share_judged_right(side, real=is_real, kind=self.adversarial)
                    for side, is_real in ((real, True), (made, False))
                ]
                values |= dict(zip(way.judged, (loss, *right), strict=True))
                total += loss
            total = replica_loss(total, self.discriminator_optimizer)
        return values, tape.gradient(total, self.discriminator_variables)
