"""CycleGAN as a Keras model with its own train step (Zhu et al. 2017, arXiv:1703.10593)."""

import keras
import tensorflow as tf

from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.cyclegan.discriminators import Discriminators
from tfcyclegan.models.cyclegan.objective import (
    ACCURACIES,
    DIAGNOSED,
    Objective,
    generator_losses,
)
from tfcyclegan.models.cyclegan.pairs import of_examples, pair_losses, shares_of_pairs
from tfcyclegan.models.networks.discriminator_view import AS_IT_IS, View
from tfcyclegan.models.step.early_updates import update_early
from tfcyclegan.models.step.gradients import over_parts, replica_loss
from tfcyclegan.models.step.image_pool import ImagePool
from tfcyclegan.models.step.moving_average import average_of, follow
from tfcyclegan.models.translation_model import TranslationModel


class CycleGAN(TranslationModel):
    """Translates a to b and b to a, learnt from unpaired images.

    Networks are injected, and built already; optimizers come with `compile`.

    Args:
        generator_ab: Model from a to b, [N, H, W, 1] to [N, H, W, 1], model range.
        generator_ba: Model from b to a.
        discriminator_a: Model from images of domain a, [N, H, W, 1], to logits [N, h, w, 1].
        discriminator_b: The same for domain b.
        pool_a: Pool that `discriminator_a` sees translated images through.
        pool_b: The same for `discriminator_b`.
        ema_decay: Decay of the moving average of the generators' weights; 0 keeps none.
        view: How the discriminators are shown images.
        discriminator_images: Images of each kind that the discriminators learn from per example;
            the generators learn from the first of them.
        pair_updates: Updates of the generators per step; all but the last are from pairs alone.
    """

    title = "CycleGAN"
    cycled = True
    shown = (
        "loss",
        "generator_ab_loss",
        "generator_ba_loss",
        "discriminator_a_loss",
        "discriminator_b_loss",
    )

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
        view: View = AS_IT_IS,
        discriminator_images: int = 1,
        pair_updates: int = 1,
    ):
        super().__init__(name="cyclegan")
        self.generator_ab, self.generator_ba = generator_ab, generator_ba
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        self.pool_a, self.pool_b = pool_a, pool_b
        self.discriminators = Discriminators(discriminator_a, discriminator_b, view)
        self.ema_decay = ema_decay
        self.discriminator_images = discriminator_images
        self.pair_updates = pair_updates
        self.average_ab = average_of(generator_ab) if ema_decay else None
        self.average_ba = average_of(generator_ba) if ema_decay else None
        self.built = True

    def compile(
        self,
        *,
        generator_optimizer,
        discriminator_optimizer,
        objective: Objective,
        accumulate_steps: int = 1,
        **kwargs,
    ):
        """Sets the optimizers, one for both generators and one for both discriminators.

        Args:
            generator_optimizer: Updates both generators.
            discriminator_optimizer: Updates both discriminators.
            objective: The losses' kinds and weights.
            accumulate_steps: Parts that a batch goes through the networks in, before one update.
            **kwargs: For keras.Model.compile.
        """
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.accumulate_steps = accumulate_steps
        self.discriminator_optimizer = discriminator_optimizer
        self.objective = objective
        # What an objective does not have gets no variable, and a checkpoint no place for it.
        self.tracked = (*objective.generator_losses, *objective.discriminator_losses)
        names = (*self.tracked, *DIAGNOSED)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        generator_optimizer.build(self.generator_variables)
        discriminator_optimizer.build(self.discriminators.variables)

    @property
    def generator_variables(self) -> list:
        """Trainable variables of both generators."""
        return self.generator_ab.trainable_variables + self.generator_ba.trainable_variables

    @property
    def networks(self) -> dict[str, keras.Model]:
        names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
        return {name: getattr(self, name) for name in names}

    @property
    def generators(self) -> dict[str, keras.Model]:
        return {"a_to_b": self.generator_ab, "b_to_a": self.generator_ba}

    @property
    def translators(self) -> dict[str, keras.Model]:
        averages = {"a_to_b": self.average_ab, "b_to_a": self.average_ba}
        return averages if self.ema_decay else self.generators

    @property
    def pools(self) -> dict[str, ImagePool]:
        return {"a": self.pool_a, "b": self.pool_b}

    @property
    def learns_from_pairs(self) -> bool:
        return bool(self.objective.pair_weight)

    @property
    def batch_details(self) -> dict:
        return {
            "positions": self.discriminators.view.positions,
            "images_per_example": self.discriminator_images,
        }

    @tf.autograph.experimental.do_not_convert  # as in Keras' fit; a third of the time to trace it
    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict:
        """Updates the generators and the discriminators on one batch.

        Where a loss or gradient is not finite on any replica, nothing changes on any of them.

        Args:
            data: (real_a, real_b), float32 [N, H, W, 1], model range; N is this replica's share of
                the global batch, times `discriminator_images`, of one example one after the other.
                After them the positions of their slices, [N] each, where the view shows them; and
                the two slices of pairs, as many for each example, where the run has any.

        Returns:
            Means of `tracked` and `DIAGNOSED` since the start of the epoch.
        """
        batch = self._batch(data)
        every = self.discriminator_images
        slices = [x if x is None else x[::every] for x in batch[:4]]
        examples = slices[0].shape[0]
        *shares, last = shares_of_pairs(batch, examples=examples, updates=self.pair_updates)
        good = tf.constant(True)
        for share in shares:
            good = self._learn_from_pairs(*share, before=good)
        values, descent_g = over_parts(
            self._taught_generators,
            Batch(*slices, *last),
            parts=self.accumulate_steps,
            variables=self.generator_variables,
            names=(*self.objective.generator_losses, "fake_a", "fake_b"),
        )
        fake_a, pool_a = self.pool_a.shown(values.pop("fake_a"), every)
        fake_b, pool_b = self.pool_b.shown(values.pop("fake_b"), every)
        judged, descent_d = over_parts(
            self._taught_discriminators,
            (fake_a, fake_b, *batch[:4]),
            parts=self.accumulate_steps,
            variables=self.discriminators.variables,
            names=(*self.objective.discriminator_losses, *ACCURACIES),
        )
        values |= judged
        return self.last_update(values, descent_g, descent_d, pool_a, pool_b, before=good)

    def _batch(self, data: tuple[tf.Tensor, ...]) -> Batch:
        """Returns the tensors of a batch by their names; which there are is known when tracing."""
        places = data[2:4] if self.discriminators.view.positions else (None, None)
        pairs = data[4:] if self.discriminators.view.positions else data[2:]
        return Batch(*data[:2], *places, *pairs)

    def _learn_from_pairs(self, pair_a, pair_b, *, before: tf.Tensor) -> tf.Tensor:
        """Updates the generators on pairs alone; returns whether that and `before` were good."""
        return update_early(
            self._taught_by_pairs,
            (pair_a, pair_b),
            parts=self.accumulate_steps,
            variables=self.generator_variables,
            optimizer=self.optimizer,
            before=before,
        )

    def _taught_by_pairs(self, pair_a, pair_b) -> tuple[dict, list]:
        with tf.GradientTape() as tape:
            images = self._each(self.generator_ab, {"paired_b": pair_a})
            images |= self._each(self.generator_ba, {"paired_a": pair_b})
            values = pair_losses(pair_a, pair_b, images, objective=self.objective)
            total = replica_loss(values["loss"], self.optimizer)
        return {"loss": values["loss"]}, tape.gradient(total, self.generator_variables)

    def _update(self, descent_g, descent_d, pool_a, pool_b, values: dict) -> None:
        """Makes every change of a step: weights, optimizers, pools, averages, running means."""
        self.optimizer.apply(descent_g, self.generator_variables)
        self.discriminator_optimizer.apply(descent_d, self.discriminators.variables)
        self.pool_a.keep(pool_a)
        self.pool_b.keep(pool_b)
        if self.ema_decay:
            follow(self.average_ab, self.generator_ab, self.ema_decay)
            follow(self.average_ba, self.generator_ba, self.ema_decay)
        self.track(values, DIAGNOSED)

    def _taught_generators(self, *tensors) -> tuple[dict, list]:
        """Returns losses [N] and shown fakes of a `Batch`, and the generators' gradients."""
        batch = Batch(*tensors)
        with tf.GradientTape() as tape:
            translated = self.translate(batch)
            shown = self.discriminators.shown_fakes(translated, batch)
            values = self.generator_losses(batch, translated, shown)
            total = replica_loss(values["loss"], self.optimizer)
        return values | shown, tape.gradient(total, self.generator_variables)

    def _taught_discriminators(self, fake_a, fake_b, *tensors) -> tuple[dict, list]:
        """Returns losses [N] of a `Batch` and shown fakes, and the discriminators' gradients."""
        return self.discriminators.taught(
            Batch(*tensors),
            fake_a,
            fake_b,
            objective=self.objective,
            optimizer=self.discriminator_optimizer,
        )

    def translate(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the images that the losses are of, float32 [N, H, W, 1], model range.

        What goes through a generator goes as one batch; instance normalisation keeps
        the examples apart.
        """
        of_a, of_b = {"fake_b": batch.real_a}, {"fake_a": batch.real_b}
        if self.objective.identity_weight:
            of_a["identity_b"], of_b["identity_a"] = batch.real_b, batch.real_a
        if self.objective.pair_weight and batch.pair_a is not None:
            of_a["paired_b"], of_b["paired_a"] = batch.pair_a, batch.pair_b
        images = self._each(self.generator_ab, of_a) | self._each(self.generator_ba, of_b)
        images["cycled_a"] = self.generator_ba(images["fake_b"], training=True)
        images["cycled_b"] = self.generator_ab(images["fake_a"], training=True)
        return images

    @staticmethod
    def _each(generator: keras.Model, sources: dict) -> dict[str, tf.Tensor]:
        """Returns what a generator makes of each batch, of all of them at once."""
        if len(sources) == 1:
            return {name: generator(images, training=True) for name, images in sources.items()}
        counts = [images.shape[0] for images in sources.values()]
        made = generator(tf.concat(list(sources.values()), 0), training=True)
        return dict(zip(sources, tf.split(made, counts), strict=True))

    def generator_losses(self, batch: Batch, translated: dict, shown: dict) -> dict:
        """Returns every generator loss per example, float32 [N]; "loss" is equation 9.

        Both cycle terms are in the one total whose gradient both generators receive.

        Args:
            batch: The slices.
            translated: Of `translate`.
            shown: The fakes as the discriminators see them.
        """
        scores = self.discriminators.scores(shown)
        values = generator_losses(
            batch.real_a, batch.real_b, translated, scores, objective=self.objective
        )
        if not self.learns_from_pairs:
            return values
        pairs = dict.fromkeys((*self.objective.pair_weights, "loss"), tf.zeros_like(values["loss"]))
        if "paired_a" in translated:
            pairs = of_examples(
                pair_losses(batch.pair_a, batch.pair_b, translated, objective=self.objective),
                examples=batch.real_a.shape[0],
            )
        return values | pairs | {"loss": values["loss"] + pairs["loss"]}
