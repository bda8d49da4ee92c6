"""The terms of equation 9: their names in the logs, their kinds and their weights."""

import dataclasses

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
TRACKED = (*GENERATOR_LOSSES, *DISCRIMINATOR_LOSSES)
"""Names in the logs; "loss" is the generators' total, which TerminateOnNaN looks at."""


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
