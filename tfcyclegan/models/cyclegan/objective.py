"""The terms of equation 9: their names in the logs, their kinds and their weights."""

import dataclasses

import tensorflow as tf

from tfcyclegan.models.losses.adversarial import (
    cycle_loss,
    generator_adversarial_loss,
    identity_loss,
)

GENERATOR_LOSSES = (
    "loss",
    "generator_ab_loss",
    "generator_ba_loss",
    "cycle_a_loss",
    "cycle_b_loss",
    "identity_a_loss",
    "identity_b_loss",
)
PAIR_LOSSES = ("pair_ab_loss", "pair_ba_loss")
SSIM_LOSSES = ("pair_ssim_ab_loss", "pair_ssim_ba_loss")
DISCRIMINATOR_LOSSES = ("discriminator_a_loss", "discriminator_b_loss")
ACCURACIES = (
    "discriminator_a_accuracy_real",
    "discriminator_a_accuracy_fake",
    "discriminator_b_accuracy_real",
    "discriminator_b_accuracy_fake",
)
TRACKED = (*GENERATOR_LOSSES, *DISCRIMINATOR_LOSSES)
"""Names in all logs; "loss" is the generators' total, which TerminateOnNaN looks at."""
DIAGNOSED = (*ACCURACIES, "generator_gradient_norm", "discriminator_gradient_norm")
"""Names in all logs that are no losses: see `diagnostics`."""


R1_EVERY = 4


@dataclasses.dataclass(frozen=True)
class Objective:
    """Equation 9 with its weights.

    Args:
        adversarial: "vanilla" or "lsgan".
        cycle_weight: lambda, 10 in the papers.
        identity_weight: Weight of the identity loss as a multiple of `cycle_weight`.
        r1_weight: Weight of the discriminators' R1 penalty, which every `R1_EVERY`th step has.
        pair_weight: Weight of the error on pairs; 0 where a run does not learn from any.
        pair_ssim_weight: Weight of what is missing to a structural similarity of 1 on pairs.
        lesion_emphasis: How much more the error on pairs counts where both slices are bright.
    """

    adversarial: str = "vanilla"
    cycle_weight: float = 10.0
    identity_weight: float = 0.0
    r1_weight: float = 0.0
    pair_weight: float = 0.0
    pair_ssim_weight: float = 0.0
    lesion_emphasis: float = 0.0

    @property
    def generator_losses(self) -> tuple[str, ...]:
        """Names in the logs of the generators' losses."""
        return (*GENERATOR_LOSSES, *self.pair_weights)

    @property
    def pair_weights(self) -> dict[str, float]:
        """Names in the logs of the losses on pairs, and their weights; empty without pairs."""
        weights = dict.fromkeys(PAIR_LOSSES, self.pair_weight)
        weights |= dict.fromkeys(SSIM_LOSSES, self.pair_ssim_weight)
        return {name: weight for name, weight in weights.items() if weight}

    @property
    def discriminator_losses(self) -> tuple[str, ...]:
        """Names in the logs of the discriminators' losses."""
        penalty = ("r1_a_loss", "r1_b_loss") if self.r1_weight else ()
        return (*DISCRIMINATOR_LOSSES, *penalty)


def generator_losses(
    real_a: tf.Tensor,
    real_b: tf.Tensor,
    translated: dict,
    scores: dict,
    *,
    objective: Objective,
) -> dict:
    """Returns every generator loss per example, float32 [N]; "loss" is equation 9.

    Args:
        real_a: Images of domain a, [N, H, W, 1], model range.
        real_b: Images of domain b.
        translated: fake, cycled and, if they have a weight, identity images of both domains.
        scores: Logits of the translated images, [N, h, w, 1], by domain.
        objective: Kinds and weights.
    """
    kind, weight = objective.adversarial, objective.cycle_weight
    values = {
        "generator_ab_loss": generator_adversarial_loss(scores["b"], kind=kind),
        "generator_ba_loss": generator_adversarial_loss(scores["a"], kind=kind),
        "cycle_a_loss": cycle_loss(real_a, translated["cycled_a"]),
        "cycle_b_loss": cycle_loss(real_b, translated["cycled_b"]),
    }
    total = values["generator_ab_loss"] + values["generator_ba_loss"]
    total += weight * (values["cycle_a_loss"] + values["cycle_b_loss"])
    if objective.identity_weight:
        values["identity_a_loss"] = identity_loss(real_a, translated["identity_a"])
        values["identity_b_loss"] = identity_loss(real_b, translated["identity_b"])
        identity = values["identity_a_loss"] + values["identity_b_loss"]
        total += weight * objective.identity_weight * identity
    else:
        values["identity_a_loss"] = values["identity_b_loss"] = tf.zeros_like(total)
    return {**values, "loss": total}
