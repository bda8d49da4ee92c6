"""A model that paints label images, after the idea of TumorGAN (Li et al. 2020).

No code of its authors is public (doi:10.3390/s20154203). Layers and weights are ours.
"""

import keras
import tensorflow as tf

from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.models.losses.adversarial import (
    generator_adversarial_loss,
    score_loss,
    share_judged_right,
)
from tfcyclegan.models.losses.regional import regional_difference, regional_l1, windows
from tfcyclegan.models.step.gradients import replica_loss
from tfcyclegan.models.step.moving_average import average_of, follow
from tfcyclegan.models.translation_model import NORMS, TranslationModel

LOCAL_WEIGHT = WRONG_LABEL_WEIGHT = 0.5
LOSSES = ("loss", "generator_loss", "pair_loss", "perceptual_loss")
JUDGED = ("discriminator_loss", "discriminator_local_loss")
ACCURACIES = ("discriminator_accuracy_real", "discriminator_accuracy_fake")


class Painted:
    """One of the two images that a painter makes; stands where a sampler does.

    Args:
        painter: From label images to both images, in model range.
        channel: 0 is domain a.
    """

    def __init__(self, painter: keras.Model, channel: int):
        self.painter, self.channel = painter, channel

    def __call__(self, labels: tf.Tensor, *, training: bool) -> tf.Tensor:
        return self.painter(labels, training=training)[..., self.channel : self.channel + 1]


class TumorGAN(TranslationModel):
    """Paints T2 and FLAIR of a label image that may have the lesion of another patient.

    Args:
        generator: Of `networks.painter.build_painter`.
        discriminator: Of images beside labels, five channels, with its hidden layers.
        local: Of the part around the lesion, five channels.
        ema_decay: Decay of the moving average of the generator's weights; 0 keeps none.
    """

    title = "TumorGAN"
    kind = "labels"
    data_kind = "labelled_pairs"

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        local: keras.Model,
        *,
        ema_decay: float = 0.0,
    ):
        super().__init__(name="tumorgan")
        self.generator, self.discriminator = generator, discriminator
        self.discriminator_local, self.ema_decay = local, ema_decay
        if ema_decay:
            self.average = average_of(generator)
        self.built = True

    def compile(
        self,
        *,
        generator_optimizer,
        discriminator_optimizer,
        adversarial: str,
        pair_weight: float,
        feature_weight: float,
        **kwargs,
    ):
        """Sets the optimizers and what is asked for.

        Args:
            generator_optimizer: Updates the generator.
            discriminator_optimizer: Updates both discriminators.
            adversarial: "vanilla" or "lsgan".
            pair_weight: Weight of the errors in the brain without lesions.
            feature_weight: Weight of the difference between hidden layers in the lesion.
            **kwargs: For keras.Model.compile.
        """
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer, self.adversarial = discriminator_optimizer, adversarial
        self.pair_weight, self.feature_weight = pair_weight, feature_weight
        self.tracked = self.shown = (*LOSSES, *JUDGED)
        self.diagnosed = (*ACCURACIES, *NORMS)
        names = (*self.tracked, *self.diagnosed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator_variables)

    @property
    def networks(self):
        names = ("generator", "discriminator", "discriminator_local")
        return {name: getattr(self, name) for name in names}

    @property
    def generators(self):
        return {}

    @property
    def painter(self) -> keras.Model:
        """The generator to use."""
        return self.average if self.ema_decay else self.generator

    @property
    def samplers(self):
        return {domain: Painted(self.painter, i) for i, domain in enumerate("ab")}

    def sampled_from(self, slices: ValidationSlices, count: int):
        return slices.label_images(count)

    @property
    def discriminator_variables(self) -> list:
        """Trainable variables of both discriminators."""
        both = (self.discriminator, self.discriminator_local)
        return [v for network in both for v in network.trainable_variables]

    def train_step(self, data):
        """Updates all networks from the weights before, unless a value is not finite.

        Args:
            data: Of `data.labelled_batches`.
        """
        a, b, own, foreign = data
        real = tf.concat([a, b], -1)
        values, fakes, descent_g = self._taught_generator(real, own, foreign)
        judged, descent_d = self._taught_discriminators(real, own, foreign, fakes)
        values |= judged
        return self.last_update(values, descent_g, descent_d)

    def _update(self, descent_g, descent_d, values: dict) -> None:
        self.optimizer.apply(descent_g, self.generator.trainable_variables)
        self.discriminator_optimizer.apply(descent_d, self.discriminator_variables)
        if self.ema_decay:
            follow(self.average, self.generator, self.ema_decay)
        self.track(values, self.diagnosed)

    def _taught_generator(self, real, own, foreign) -> tuple[dict, list, list]:
        """Returns losses [N], what was painted of both labels, and the generator's gradients."""
        with tf.GradientTape() as tape:
            painted = self.generator(tf.concat([own, foreign], 0), training=True)
            fakes = tf.split(painted, 2)
            values = self.losses_of(real, (own, foreign), fakes)
            total = replica_loss(values["loss"], self.optimizer)
        return values, fakes, tape.gradient(total, self.generator.trainable_variables)

    def losses_of(self, real: tf.Tensor, labels: tuple, fakes: list) -> dict[str, tf.Tensor]:
        """Returns what the generator is asked for, float32 [N]; "loss" is the weighted sum.

        Args:
            real: Both slices of each pair, [N, H, W, 2].
            labels: Their label images, and those with a foreign lesion, [N, H, W, 3].
            fakes: What was painted of each, [N, H, W, 2].
        """
        (own, _), adversarial, layers = labels, 0.0, []
        for label, fake in zip(labels, fakes, strict=True):
            beside = tf.concat([fake, label], -1)
            scores, *seen = self.discriminator(beside, training=True)
            layers.append(seen)
            adversarial += generator_adversarial_loss(scores, kind=self.adversarial)
            local, has = self._judged_locally(beside, label)
            fooled = generator_adversarial_loss(local, kind=self.adversarial)
            adversarial += 0.5 * LOCAL_WEIGHT * has * fooled
        _, *wanted = self.discriminator(tf.concat([real, own], -1), training=True)
        lesions = [region(label, 0) for label in labels]
        brain = region(own, 0) + region(own, 1)
        errors = [
            regional_l1(real, fake, brain * free)
            for fake, free in (
                (fakes[0], 1.0 - lesions[0]),
                (fakes[1], (1.0 - lesions[0]) * (1.0 - lesions[1])),
            )
        ]
        wanted = [tf.stop_gradient(layer) for layer in wanted]
        perceptual = regional_difference(wanted, layers[0], lesions[0])
        loss = adversarial + self.pair_weight * tf.add_n(errors)
        return {
            "generator_loss": adversarial,
            "pair_loss": tf.add_n(errors),
            "perceptual_loss": perceptual,
            "loss": loss + self.feature_weight * perceptual,
        }

    def _judged_locally(self, beside: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the local logits of images beside labels, and whether there is a lesion, [N]."""
        lesion = region(label, 0)
        part = windows(beside, lesion, beside.shape[1] // 2)
        has = tf.cast(tf.reduce_any(lesion > 0, axis=(1, 2, 3)), tf.float32)
        return self.discriminator_local(part, training=True), has

    def _taught_discriminators(self, real, own, foreign, fakes) -> tuple[dict, list]:
        """Returns losses and accuracies [N], and the discriminators' gradients."""
        fakes = [tf.stop_gradient(fake) for fake in fakes]
        shown = [
            tf.concat([image, label], -1)
            for image, label in ((real, own), (fakes[0], own), (fakes[1], foreign), (real, foreign))
        ]
        labels = (own, own, foreign)
        wrong = tf.cast(tf.reduce_any(own != foreign, axis=(1, 2, 3)), tf.float32)
        kind = self.adversarial
        with tf.GradientTape() as tape:
            # As one batch: instance normalisation keeps the examples apart.
            scores, *_ = self.discriminator(tf.concat(shown, 0), training=True)
            of_real, *of_fakes, of_wrong = tf.split(scores, 4)
            loss = score_loss(of_real, 1.0, kind)
            loss += 0.5 * tf.add_n([score_loss(s, 0.0, kind) for s in of_fakes])
            loss += WRONG_LABEL_WEIGHT * wrong * score_loss(of_wrong, 0.0, kind)
            local = 0.0
            for images, label, target, weight in zip(
                shown, labels, (1.0, 0.0, 0.0), (1.0, 0.5, 0.5), strict=False
            ):
                part, has = self._judged_locally(images, label)
                local += weight * has * score_loss(part, target, kind)
            total = replica_loss(0.5 * (loss + local), self.discriminator_optimizer)
        right = (of_real, tf.concat(of_fakes, 1)), (True, False)
        accuracies = [share_judged_right(s, real=r, kind=kind) for s, r in zip(*right, strict=True)]
        values = dict(zip(JUDGED, (0.5 * loss, 0.5 * local), strict=True))
        values |= dict(zip(ACCURACIES, accuracies, strict=True))
        return values, tape.gradient(total, self.discriminator_variables)


def region(labels: tf.Tensor, channel: int) -> tf.Tensor:
    """Returns 1 inside and 0 outside of one channel of label images, [N, H, W, 1]."""
    return tf.cast(labels[..., channel : channel + 1] > 0, labels.dtype)
