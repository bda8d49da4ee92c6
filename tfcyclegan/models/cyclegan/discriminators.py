"""What the discriminators of a CycleGAN see, say and learn: their half of the train step."""

import keras
import tensorflow as tf

from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.cyclegan.objective import R1_EVERY, Objective
from tfcyclegan.models.losses.adversarial import judged
from tfcyclegan.models.losses.gradient_penalty import r1_penalty
from tfcyclegan.models.networks.discriminator_view import View
from tfcyclegan.models.step.gradients import replica_loss

ZERO = tf.UnconnectedGradients.ZERO


class Discriminators:
    """Both discriminators, and how images are shown to them.

    Args:
        network_a: Judges images of domain a: [N, H, W, C] to logits [N, h, w, 1].
        network_b: The same for domain b.
        view: How images are shown.
    """

    def __init__(self, network_a: keras.Model, network_b: keras.Model, view: View):
        self.networks, self.view = {"a": network_a, "b": network_b}, view

    @property
    def variables(self) -> list:
        """Trainable variables of both."""
        return [v for network in self.networks.values() for v in network.trainable_variables]

    def shown_fakes(self, translated: dict, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns "fake_a" and "fake_b" as they are shown, with the place of their sources."""
        places = {"fake_a": batch.place_b, "fake_b": batch.place_a}
        return {name: self.view.shown(translated[name], place) for name, place in places.items()}

    def scores(self, shown: dict) -> dict[str, tf.Tensor]:
        """Returns what each says of new `shown_fakes`: logits [N, h, w, 1] by domain."""
        return {
            d: network(shown[f"fake_{d}"], training=True) for d, network in self.networks.items()
        }

    def taught(
        self,
        batch: Batch,
        fake_a: tf.Tensor,
        fake_b: tf.Tensor,
        *,
        objective: Objective,
        optimizer: keras.Optimizer,
    ) -> tuple[dict, list]:
        """Returns losses [N] of a batch, and the gradients of `variables`.

        The fakes, as they are shown, come from outside the tape: no gradient of the discriminators
        reaches a generator.
        """
        reals = {
            "a": self.view.shown(batch.real_a, batch.place_a),
            "b": self.view.shown(batch.real_b, batch.place_b),
        }
        with tf.GradientTape() as tape:
            values = self._judged("a", reals["a"], fake_a, objective)
            values |= self._judged("b", reals["b"], fake_b, objective)
            total = values["discriminator_a_loss"] + values["discriminator_b_loss"]
            total = replica_loss(total, optimizer)
        gradients = tape.gradient(total, self.variables)
        if objective.r1_weight:
            penalties, slopes = self._penalised(reals, objective, optimizer)
            values |= penalties
            gradients = [one + other for one, other in zip(gradients, slopes, strict=True)]
        return values, gradients

    def _judged(self, domain: str, real: tf.Tensor, fake: tf.Tensor, objective: Objective) -> dict:
        # As one batch: instance normalisation keeps the examples apart.
        images = tf.concat([real, tf.stop_gradient(fake)], 0)
        scores = tf.split(self.networks[domain](images, training=True), 2)
        return judged(domain, *scores, kind=objective.adversarial)

    def _penalised(
        self, reals: dict, objective: Objective, optimizer: keras.Optimizer
    ) -> tuple[dict, list]:
        """Returns R1 of shown images, [N] by its name in the logs, and its weighted gradients.

        Every k steps it counts k times, and not at all in between, so that its mean over steps is
        the same (Karras et al. 2020, arXiv:1912.04958, section 3.1).
        """
        variables = [variable.value for variable in self.variables]

        def penalised() -> tuple[dict, list]:
            with tf.GradientTape() as tape:
                values = {
                    f"r1_{domain}_loss": R1_EVERY * r1_penalty(network, reals[domain])
                    for domain, network in self.networks.items()
                }
                total = objective.r1_weight * tf.add_n(list(values.values()))
                total = replica_loss(total, optimizer)
            return values, tape.gradient(total, variables, unconnected_gradients=ZERO)

        def nothing() -> tuple[dict, list]:
            none = tf.zeros_like(reals["a"][:, 0, 0, 0])
            values = {f"r1_{domain}_loss": none for domain in self.networks}
            return values, [tf.zeros(variable.shape, variable.dtype) for variable in variables]

        due = tf.equal(tf.convert_to_tensor(optimizer.iterations) % R1_EVERY, 0)
        return tf.cond(due, penalised, nothing)
