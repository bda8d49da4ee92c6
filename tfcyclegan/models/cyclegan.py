"""CycleGAN as a Keras model with its own train step (Zhu et al. 2017, arXiv:1703.10593)."""

import dataclasses

import keras
import tensorflow as tf

from tfcyclegan import losses
from tfcyclegan.guard import NonFiniteGuard
from tfcyclegan.image_pool import ImagePool
from tfcyclegan.strategies import update_if

TRACKED = (
    "loss",
    "generator_ab_loss",
    "generator_ba_loss",
    "cycle_a_loss",
    "cycle_b_loss",
    "identity_a_loss",
    "identity_b_loss",
    "discriminator_a_loss",
    "discriminator_b_loss",
)
"""Names in the logs; "loss" is the generators' total, which TerminateOnNaN looks at."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """Equation 9 with its weights.

    Args:
        adversarial: "vanilla" or "lsgan".
        cycle_weight: lambda, 10 in the papers.
        identity_weight: Weight of the identity loss as a multiple of `cycle_weight`.
    """

    adversarial: str = "vanilla"
    cycle_weight: float = 10.0
    identity_weight: float = 0.0


class CycleGAN(keras.Model):
    """Translates a to b and b to a, learnt from unpaired images.

    Networks are injected, and built already; optimizers come with `compile`. Everything that
    training changes is a variable of the model or of an optimizer, so that a checkpoint is the
    whole state.

    Args:
        generator_ab: Model from a to b, [N, H, W, 1] to [N, H, W, 1], model range.
        generator_ba: Model from b to a.
        discriminator_a: Model from images of domain a, [N, H, W, 1], to logits [N, h, w, 1].
        discriminator_b: The same for domain b.
        pool_a: Pool that `discriminator_a` sees translated images through.
        pool_b: The same for `discriminator_b`.
        ema_decay: Decay of the moving average of the generators' weights; 0 keeps none.
    """

    def __init__(
        self,
        *,
        generator_ab: keras.Model,
        generator_ba: keras.Model,
        discriminator_a: keras.Model,
        discriminator_b: keras.Model,
        pool_a: ImagePool,
        pool_b: ImagePool,
        ema_decay: float = 0.0,
    ):
        super().__init__(name="cyclegan")
        self.generator_ab, self.generator_ba = generator_ab, generator_ba
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        self.pool_a, self.pool_b = pool_a, pool_b
        self.ema_decay = ema_decay
        self.average_ab = _average_of(generator_ab) if ema_decay else None
        self.average_ba = _average_of(generator_ba) if ema_decay else None
        self.guard = NonFiniteGuard()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in TRACKED}
        self.built = True

    def compile(
        self, *, generator_optimizer, discriminator_optimizer, objective: Objective, **kwargs
    ):
        """Sets the optimizers, one for both generators and one for both discriminators."""
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer
        self.objective = objective
        generator_optimizer.build(self.generator_variables)
        discriminator_optimizer.build(self.discriminator_variables)

    @property
    def generator_variables(self) -> list:
        """Trainable variables of both generators."""
        return self.generator_ab.trainable_variables + self.generator_ba.trainable_variables

    @property
    def discriminator_variables(self) -> list:
        """Trainable variables of both discriminators."""
        return self.discriminator_a.trainable_variables + self.discriminator_b.trainable_variables

    @property
    def replica_variables(self) -> list:
        """Variables that each replica keeps for itself: running means of the epoch, and pools."""
        means = [variable for metric in self.metrics for variable in metric.variables]
        return means + self.pool_a.variables + self.pool_b.variables

    @property
    def translator_ab(self) -> keras.Model:
        """The generator to use: the moving average where there is one."""
        return self.average_ab or self.generator_ab

    @property
    def translator_ba(self) -> keras.Model:
        """The generator to use: the moving average where there is one."""
        return self.average_ba or self.generator_ba

    @property
    def metrics(self) -> list:
        return list(self.trackers.values())

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict:
        """Updates the generators and the discriminators on one unpaired batch.

        Where a loss or gradient is not finite on any replica, nothing changes on any of them.

        Args:
            data: (real_a, real_b), float32 [N, H, W, 1], model range; N is this replica's share of
                the global batch.

        Returns:
            Means of the tracked losses since the start of the epoch.
        """
        real_a, real_b = data
        with tf.GradientTape() as tape:
            translated = self.translate(real_a, real_b)
            values = self.generator_losses(real_a, real_b, translated)
            total = self._replica_loss(values["loss"], self.optimizer)
        descent_g = tape.gradient(total, self.generator_variables)

        # Outside both tapes: no gradient of the discriminators reaches a generator.
        fake_a, pool_a = self.pool_a.exchange(translated["fake_a"])
        fake_b, pool_b = self.pool_b.exchange(translated["fake_b"])
        with tf.GradientTape() as tape:
            loss_a = self._discriminator_loss(self.discriminator_a, real_a, fake_a)
            loss_b = self._discriminator_loss(self.discriminator_b, real_b, fake_b)
            total = self._replica_loss(loss_a + loss_b, self.discriminator_optimizer)
        descent_d = tape.gradient(total, self.discriminator_variables)

        values |= {"discriminator_a_loss": loss_a, "discriminator_b_loss": loss_b}
        good = self.guard.admit(
            list(values.values()),
            (self.optimizer, descent_g),
            (self.discriminator_optimizer, descent_d),
        )
        update_if(good, self._update, (descent_g, descent_d, pool_a, pool_b, values))
        return self.get_metrics_result()

    def _update(self, descent_g, descent_d, pool_a, pool_b, values: dict) -> None:
        """Makes every change of a step: weights, optimizers, pools, averages, running means."""
        self.optimizer.apply(descent_g, self.generator_variables)
        self.discriminator_optimizer.apply(descent_d, self.discriminator_variables)
        self.pool_a.keep(pool_a)
        self.pool_b.keep(pool_b)
        self._update_averages()
        for name, tracker in self.trackers.items():
            tracker.update_state(values[name])

    def translate(self, real_a: tf.Tensor, real_b: tf.Tensor) -> dict:
        """Returns fake, cycled and identity images of a batch, float32 [N, H, W, 1], model range.

        Translation and identity go through a generator as one batch; instance normalisation keeps
        the examples apart.
        """
        images = {}
        if self.objective.identity_weight:
            both_b = self.generator_ab(tf.concat([real_a, real_b], 0), training=True)
            both_a = self.generator_ba(tf.concat([real_b, real_a], 0), training=True)
            images["fake_b"], images["identity_b"] = tf.split(both_b, 2)
            images["fake_a"], images["identity_a"] = tf.split(both_a, 2)
        else:
            images["fake_b"] = self.generator_ab(real_a, training=True)
            images["fake_a"] = self.generator_ba(real_b, training=True)
        images["cycled_a"] = self.generator_ba(images["fake_b"], training=True)
        images["cycled_b"] = self.generator_ab(images["fake_a"], training=True)
        return images

    def generator_losses(self, real_a: tf.Tensor, real_b: tf.Tensor, translated: dict) -> dict:
        """Returns every generator loss per example, float32 [N]; "loss" is equation 9.

        Both cycle terms are in the one total whose gradient both generators receive.
        """
        kind, weight = self.objective.adversarial, self.objective.cycle_weight
        scores_a = self.discriminator_a(translated["fake_a"], training=True)
        scores_b = self.discriminator_b(translated["fake_b"], training=True)
        values = {
            "generator_ab_loss": losses.generator_adversarial_loss(scores_b, kind=kind),
            "generator_ba_loss": losses.generator_adversarial_loss(scores_a, kind=kind),
            "cycle_a_loss": losses.cycle_loss(real_a, translated["cycled_a"]),
            "cycle_b_loss": losses.cycle_loss(real_b, translated["cycled_b"]),
        }
        total = values["generator_ab_loss"] + values["generator_ba_loss"]
        total += weight * (values["cycle_a_loss"] + values["cycle_b_loss"])
        if self.objective.identity_weight:
            values["identity_a_loss"] = losses.identity_loss(real_a, translated["identity_a"])
            values["identity_b_loss"] = losses.identity_loss(real_b, translated["identity_b"])
            identity = values["identity_a_loss"] + values["identity_b_loss"]
            total += weight * self.objective.identity_weight * identity
        else:
            values["identity_a_loss"] = values["identity_b_loss"] = tf.zeros_like(total)
        return {**values, "loss": total}

    def _discriminator_loss(self, discriminator, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        scores = discriminator(tf.concat([real, tf.stop_gradient(fake)], 0), training=True)
        real_scores, fake_scores = tf.split(scores, 2)
        return losses.discriminator_adversarial_loss(
            real_scores, fake_scores, kind=self.objective.adversarial
        )

    def _replica_loss(self, values: tf.Tensor, optimizer) -> tf.Tensor:
        """The only mean over a batch; the optimizers sum over replicas, so their number divides."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return optimizer.scale_loss(tf.reduce_mean(values) / replicas)

    def _update_averages(self) -> None:
        if not self.ema_decay:
            return
        for average, generator in (
            (self.average_ab, self.generator_ab),
            (self.average_ba, self.generator_ba),
        ):
            for mean, value in zip(average.variables, generator.variables, strict=True):
                mean.assign(mean + (1.0 - self.ema_decay) * (value - mean))


def _average_of(generator: keras.Model) -> keras.Model:
    average = keras.models.clone_model(generator)
    average.set_weights(generator.get_weights())
    average.trainable = False
    return average
