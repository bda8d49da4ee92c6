"""The train step of models whose directions share nothing.

Each direction has a generator, a discriminator of what it makes, and perhaps a network that only
helps it to learn. How the content is kept is a model's own.
"""

import keras
import tensorflow as tf

from tfcyclegan.models.losses.adversarial import generator_adversarial_loss, judged
from tfcyclegan.models.one_way.own_networks import OwnNetworks
from tfcyclegan.models.step.gradients import over_parts, replica_loss
from tfcyclegan.models.translation_model import NORMS


class OneWay(OwnNetworks):
    """Translates in the directions that it has networks for; two directions share nothing.

    Optimizers come with `compile`. A subclass says in `content_losses` what keeps the content.

    Attributes:
        contents: Names of the losses that keep the content; with the ways of a direction they are
            in the logs.
        content_details: Names of what else `content_losses` returns, for the logs alone.
        asked_to_see: Names of what a discriminator is asked for beside telling real from made; with
            its domain they are in the logs.
        conditional: Whether a discriminator sees the source beside the image, so that a score is of
            the two together.
    """

    contents: tuple[str, ...] = ()
    content_details: tuple[str, ...] = ()
    asked_to_see: tuple[str, ...] = ()
    conditional = False

    def compile(
        self,
        *,
        generator_optimizer,
        discriminator_optimizer,
        adversarial: str,
        accumulate_steps: int = 1,
        **kwargs,
    ):
        """Sets the optimizers, one for all generators and helpers, one for all discriminators.

        Args:
            generator_optimizer: Updates the generators and their helpers.
            discriminator_optimizer: Updates the discriminators.
            adversarial: "vanilla" or "lsgan".
            accumulate_steps: Parts that a batch goes through the networks in, before one update.
            **kwargs: For keras.Model.compile.
        """
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer
        self.adversarial, self.accumulate_steps = adversarial, accumulate_steps
        ways = self.ways.values()
        losses = [f"{loss}_{w.ways}_loss" for w in ways for loss in ("generator", *self.contents)]
        self.generator_losses = ("loss", *losses)
        asked = [f"{loss}_{way.target}_loss" for way in ways for loss in self.asked_to_see]
        self.tracked = (*self.generator_losses, *(way.judged[0] for way in ways), *asked)
        self.details = tuple(f"{d}_{way.ways}" for way in ways for d in self.content_details)
        accuracies = [name for way in ways for name in way.judged[1:]]
        self.discriminator_values = (*(way.judged[0] for way in ways), *asked, *accuracies)
        self.diagnosed = (*self.details, *accuracies, *NORMS)
        self.shown = self.tracked
        names = (*self.tracked, *self.diagnosed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        generator_optimizer.build(self.generator_variables)
        discriminator_optimizer.build(self.discriminator_variables)

    @property
    def batch_details(self) -> dict:
        return {
            "positions": self.view.positions,
            "images_per_example": self.discriminator_images,
        }

    @tf.autograph.experimental.do_not_convert  # as in Keras' fit; a third of the time to trace it
    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict:
        """Updates generators and discriminators, both from the weights before, on one batch.

        Where a loss or gradient is not finite on any replica, nothing changes on any of them.

        Args:
            data: (a, b), float32 [N, H, W, 1], model range; N is this replica's share of the global
                batch, times `discriminator_images`, of one example one after the other. After
                them the places of the slices, [N] each, where the view shows them.

        Returns:
            Means of the tracked losses and of the diagnostics since the start of the epoch.
        """
        return self.step(data)

    def step(self, data: tuple[tf.Tensor, ...], before: tf.Tensor | bool = True) -> dict:
        """Does what `train_step` does, unless `before` says that an update before was not good."""
        values, descent_g = over_parts(
            self._taught_generators,
            tuple(x[:: self.discriminator_images] for x in data),
            parts=self.accumulate_steps,
            variables=self.generator_variables,
            names=(*self.generator_losses, *self.details, *self.ways),
        )
        seen = [self._through(name, values.pop(name)) for name in self.ways]
        judged, descent_d = over_parts(
            self._taught_discriminators,
            (*data, *(fakes for fakes, _ in seen)),
            parts=self.accumulate_steps,
            variables=self.discriminator_variables,
            names=self.discriminator_values,
        )
        values |= judged
        states = [state for _, state in seen]
        return self.last_update(values, descent_g, descent_d, states, before=before)

    def _through(self, direction: str, fakes: tf.Tensor) -> tuple[tf.Tensor, tuple]:
        """Returns `discriminator_images` fakes for each new one, and its pool's state after."""
        pool = self.own[direction].pool
        return pool.shown(fakes, self.discriminator_images) if pool else (fakes, ())

    def _update(self, descent_g, descent_d, states: list, values: dict) -> None:
        """Makes every change of a step: weights, optimizers, pools, averages, running means."""
        self.optimizer.apply(descent_g, self.generator_variables)
        self.discriminator_optimizer.apply(descent_d, self.discriminator_variables)
        for own, state in zip(self.own.values(), states, strict=True):
            if own.pool:
                own.pool.keep(state)
        self.follow_weights()
        self.track(values, self.diagnosed)

    def _taught_generators(self, *batch) -> tuple[dict, list]:
        """Returns losses [N] and shown translations of a batch, and the generators' gradients."""
        with tf.GradientTape() as tape:
            fakes = self.translate(batch)
            values, shown = self.losses_of(batch, fakes)
            total = replica_loss(values["loss"], self.optimizer)
        return values | shown, tape.gradient(total, self.generator_variables)

    def translate(self, batch: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        """Returns what each generator makes of its source, [N, H, W, 1], by direction."""
        return {
            name: generator(batch[self.ways[name].source], training=True)
            for name, generator in self.generators.items()
        }

    def losses_of(self, batch: tuple[tf.Tensor, ...], fakes: dict) -> tuple[dict, dict]:
        """Returns what the generators are asked for, and what the discriminators were shown.

        Args:
            batch: As of `train_step`.
            fakes: Of `translate`.

        Returns:
            Every generator loss per example, float32 [N], where "loss" is their weighted sum; and
            the fakes as their discriminators see them, by direction.
        """
        values, shown, total = {}, {}, 0.0
        for name, way in self.ways.items():
            source, target = batch[way.source], batch[1 - way.source]
            place = self._place(batch, way.source)
            shown[name] = self.shown_to_discriminator(fakes[name], source, place)
            real = self.shown_to_discriminator(target, source, place)
            fooling, asked = self.fooling_losses(name, shown[name], real)
            losses, content = self.content_losses(name, source, target, fakes[name])
            values |= {**fooling, **losses}
            total += asked + content
        return {**values, "loss": total}, shown

    def fooling_losses(
        self, direction: str, fake: tf.Tensor, real: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns what a discriminator asks of its generator, float32 [N], and the sum of it, [N].

        Args:
            direction: "a_to_b" or "b_to_a".
            fake: What the generator made, as the discriminator sees it.
            real: The target, as the discriminator sees it.
        """
        scores = self.discriminators[direction](fake, training=True)
        loss = generator_adversarial_loss(scores, kind=self.adversarial)
        return {f"generator_{self.ways[direction].ways}_loss": loss}, loss

    @staticmethod
    def _place(batch: tuple[tf.Tensor, ...], domain: int) -> tf.Tensor | None:
        """Returns where the slices of a domain are in their heads, [N]; None if not told."""
        return batch[2 + domain] if len(batch) > 2 else None

    def content_losses(
        self, direction: str, source: tf.Tensor, target: tf.Tensor, fake: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the losses that keep the content, float32 [N], and their weighted sum, [N].

        Args:
            direction: "a_to_b" or "b_to_a".
            source: Images [N, H, W, 1], model range.
            target: Images of the other domain; those of the same places where data are paired.
            fake: What the generator makes of the source.

        Returns:
            The losses by their name in the logs, `contents` first and then `content_details`.
        """
        raise NotImplementedError

    def shown_to_discriminator(
        self, images: tf.Tensor, source: tf.Tensor, place: tf.Tensor | None
    ) -> tf.Tensor:
        """Returns images as a discriminator sees them, [N, h, w, C].

        Args:
            images: [N, H, W, 1], model range, real or translated.
            source: What they are a translation of, or would be.
            place: Relative position of each source in its head, [N]; None where it is not shown.
        """
        if self.conditional:
            return tf.concat([images, source], -1)
        return self.view.shown(images, place)

    def _taught_discriminators(self, *tensors) -> tuple[dict, list]:
        """Returns losses and accuracies [N] of a batch, and the discriminators' gradients."""
        batch, fakes = tensors[: -len(self.ways)], tensors[-len(self.ways) :]
        values, total = {}, 0.0
        with tf.GradientTape() as tape:
            for (name, way), fake in zip(self.ways.items(), fakes, strict=True):
                source, target = batch[way.source], batch[1 - way.source]
                place = self._place(batch, 1 - way.source)
                real = self.shown_to_discriminator(target, source, place)
                losses, loss = self.judging_losses(name, tf.stop_gradient(fake), real)
                values |= losses
                total += loss
            total = replica_loss(total, self.discriminator_optimizer)
        return values, tape.gradient(total, self.discriminator_variables)

    def judging_losses(
        self, direction: str, fake: tf.Tensor, real: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns a discriminator's losses and accuracies, [N], and what it learns from, [N].

        Args:
            direction: "a_to_b" or "b_to_a".
            fake: What its generator made, as it sees it.
            real: The target, as it sees it.
        """
        # As one batch: instance normalisation keeps the examples apart.
        images = tf.concat([real, fake], 0)
        scores = tf.split(self.discriminators[direction](images, training=True), 2)
        way = self.ways[direction]
        values = judged(way.target, *scores, kind=self.adversarial)
        return values, values[way.judged[0]]
