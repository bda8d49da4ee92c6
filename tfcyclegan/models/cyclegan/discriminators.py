"""What the discriminators of a CycleGAN see, say and learn: their half of the train step."""

import keras
import tensorflow as tf

from tfcyclegan.models.cyclegan.objective import judged
from tfcyclegan.models.losses.gradient_penalty import r1_penalty

NO_PLACES = (None, None)
ZERO = tf.UnconnectedGradients.ZERO


class Judging:
    """The discriminators' half of a CycleGAN; to be inherited before keras.Model.

    The model has the networks `discriminator_a` and `_b`, the `view`, the `objective` and the
    `discriminator_optimizer`.
    """

    @property
    def discriminator_variables(self) -> list:
        """Trainable variables of both discriminators."""
        return self.discriminator_a.trainable_variables + self.discriminator_b.trainable_variables

    def shown_fakes(self, translated: dict, place_a=None, place_b=None) -> dict:
        """Returns both fakes as `view` shows them, with the place of their sources."""
        places = {"fake_a": place_b, "fake_b": place_a}
        return {name: self.view.shown(translated[name], place) for name, place in places.items()}

    def scores_of_fakes(self, translated: dict, *places) -> dict:
        """Returns what each discriminator says of new fakes: its name to logits [N, h, w, 1]."""
        shown = self.shown_fakes(translated, *places)
        return {
            "discriminator_a": self.discriminator_a(shown["fake_a"], training=True),
            "discriminator_b": self.discriminator_b(shown["fake_b"], training=True),
        }

    def _teach_discriminators(self, real_a, real_b, fake_a, fake_b, *places) -> tuple[dict, list]:
        """Returns losses [N] of images [N, H, W, 1], and the discriminators' gradients.

        The fakes, as they are shown, come from outside the tape: no gradient of the discriminators
        reaches a generator.
        """
        place_a, place_b = places or NO_PLACES
        real_a, real_b = self.view.shown(real_a, place_a), self.view.shown(real_b, place_b)
        with tf.GradientTape() as tape:
            values = self._judge("a", self.discriminator_a, real_a, fake_a)
            values |= self._judge("b", self.discriminator_b, real_b, fake_b)
            total = values["discriminator_a_loss"] + values["discriminator_b_loss"]
            total = self._replica_loss(total, self.discriminator_optimizer)
        gradients = tape.gradient(total, self.discriminator_variables)
        if self.objective.r1_weight:
            penalties, slopes = self._penalised(real_a, real_b)
            values |= penalties
            gradients = [one + other for one, other in zip(gradients, slopes, strict=True)]
        return values, gradients

    def _judge(self, domain: str, discriminator, real: tf.Tensor, fake: tf.Tensor) -> dict:
        return judged(domain, *_scores(discriminator, real, fake), kind=self.objective.adversarial)

    def _penalised(self, real_a: tf.Tensor, real_b: tf.Tensor) -> tuple[dict, list]:
        """Returns R1 of shown images, [N] by its name in the logs, and its weighted gradients.

        Every k steps it counts k times, and not at all in between, so that its mean over steps is
        the same (Karras et al. 2020, arXiv:1912.04958, section 3.1).
        """
        variables = [variable.value for variable in self.discriminator_variables]
        optimizer = self.discriminator_optimizer
        every = self.objective.r1_every

        def penalised() -> tuple[dict, list]:
            with tf.GradientTape() as tape:
                values = {
                    "r1_a_loss": every * r1_penalty(self.discriminator_a, real_a),
                    "r1_b_loss": every * r1_penalty(self.discriminator_b, real_b),
                }
                total = self.objective.r1_weight * tf.add_n(list(values.values()))
                total = self._replica_loss(total, optimizer)
            return values, tape.gradient(total, variables, unconnected_gradients=ZERO)

        def nothing() -> tuple[dict, list]:
            none = tf.zeros_like(real_a[:, 0, 0, 0])
            values = {"r1_a_loss": none, "r1_b_loss": none}
            return values, [tf.zeros(variable.shape, variable.dtype) for variable in variables]

        if every == 1:
            return penalised()
        due = tf.equal(tf.convert_to_tensor(optimizer.iterations) % every, 0)
        return tf.cond(due, penalised, nothing)


def _scores(network: keras.Model, real: tf.Tensor, fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns logits of real images and of fakes, which no gradient reaches."""
    scores = network(tf.concat([real, tf.stop_gradient(fake)], 0), training=True)
    return tuple(tf.split(scores, 2))
