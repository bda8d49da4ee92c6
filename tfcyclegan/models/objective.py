"""The terms of equation 9: their names in the logs, their kinds and their weights."""

import dataclasses

import tensorflow as tf

from tfcyclegan import losses
from tfcyclegan.diagnostics import share_judged_right
from tfcyclegan.structure import structure_loss

GENERATOR_LOSSES = (
    "loss",
    "generator_ab_loss",
    "generator_ba_loss",
    "cycle_a_loss",
    "cycle_b_loss",
    "identity_a_loss",
    "identity_b_loss",
    "structure_ab_loss",
    "structure_ba_loss",
)
DISCRIMINATOR_LOSSES = ("discriminator_a_loss", "discriminator_b_loss")
ACCURACIES = (
    "discriminator_a_accuracy_real",
    "discriminator_a_accuracy_fake",
    "discriminator_b_accuracy_real",
    "discriminator_b_accuracy_fake",
)
JUDGED = (*DISCRIMINATOR_LOSSES, *ACCURACIES)
"""What `judged` returns, for both domains."""
TRACKED = (*GENERATOR_LOSSES, *DISCRIMINATOR_LOSSES)
"""Names in the logs; "loss" is the generators' total, which TerminateOnNaN looks at."""
DIAGNOSED = (*ACCURACIES, "generator_gradient_norm", "discriminator_gradient_norm")
"""Names in the logs that are no losses: see `diagnostics`."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """Equation 9 with its weights.

    Args:
        adversarial: "vanilla" or "lsgan".
        cycle_weight: lambda, 10 in the papers.
        identity_weight: Weight of the identity loss as a multiple of `cycle_weight`.
        structure: "none", or the structure loss between an image and its translation.
        structure_weight: Its weight.
    """

    adversarial: str = "vanilla"
    cycle_weight: float = 10.0
    identity_weight: float = 0.0
    structure: str = "none"
    structure_weight: float = 0.0


def judged(domain: str, real_scores: tf.Tensor, fake_scores: tf.Tensor, *, kind: str) -> dict:
    """Returns a discriminator's loss and how often it is right, per example, float32 [N].

    Args:
        domain: "a" or "b".
        real_scores: Logits of real images, [N, h, w, 1].
        fake_scores: Logits of translated images.
        kind: "vanilla" or "lsgan".
    """
    loss = losses.discriminator_adversarial_loss(real_scores, fake_scores, kind=kind)
    name = f"discriminator_{domain}"
    return {
        f"{name}_loss": loss,
        f"{name}_accuracy_real": share_judged_right(real_scores, real=True, kind=kind),
        f"{name}_accuracy_fake": share_judged_right(fake_scores, real=False, kind=kind),
    }


def structure_losses(real_a: tf.Tensor, real_b: tf.Tensor, translated: dict, *, kind: str) -> dict:
    """Returns the structure loss of both directions per example, float32 [N]; 0 for "none"."""
    pairs = {
        "structure_ab_loss": (real_a, translated["fake_b"]),
        "structure_ba_loss": (real_b, translated["fake_a"]),
    }
    if kind == "none":
        return {name: tf.zeros_like(real[:, 0, 0, 0]) for name, (real, _) in pairs.items()}
    return {name: structure_loss(*pair, kind=kind) for name, pair in pairs.items()}
