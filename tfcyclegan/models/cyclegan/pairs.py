"""What a CycleGAN learns from pairs: which of them when, and how wrong it is on them."""

import tensorflow as tf

from tfcyclegan.models.cyclegan.batch import Batch
from tfcyclegan.models.cyclegan.objective import Objective
from tfcyclegan.models.losses.paired import bright_in_both, masked_dissimilarity, masked_l1
from tfcyclegan.models.networks.air import near_head


def shares_of_pairs(batch: Batch, *, examples: int, updates: int) -> list[tuple]:
    """Returns (pair_a, pair_b), [P N, H, W, 1], of each update of a step.

    Args:
        batch: With `updates` times P pairs for each example, one example after the other; without
            any, the one share has None twice.
        examples: N.
        updates: Updates that the pairs are for.
    """
    if batch.pair_a is None:
        return [(None, None)]
    of_domains = []
    for images in (batch.pair_a, batch.pair_b):
        shape = images.shape[1:]
        whole = tf.reshape(images, [examples, updates, -1, *shape])
        of_domains.append([tf.reshape(share, [-1, *shape]) for share in tf.unstack(whole, axis=1)])
    return list(zip(*of_domains, strict=True))


def of_examples(values: dict, *, examples: int) -> dict:
    """Returns the mean over the pairs of each example, [N], of values [P N]."""
    return {
        name: tf.reduce_mean(tf.reshape(value, [examples, -1]), 1) for name, value in values.items()
    }


def pair_losses(
    pair_a: tf.Tensor, pair_b: tf.Tensor, translated: dict, *, objective: Objective
) -> dict:
    """Returns how far the translations of pairs are from each other's slice, float32 [P N].

    Inside the head of either slice: what a fluid that is black in FLAIR leaves out is in T2.

    Args:
        pair_a: Slices of domain a, [P N, H, W, 1], model range.
        pair_b: Slices of domain b that show the same places.
        translated: `paired_a` and `paired_b`, what the generators make of the other slice.
        objective: Kinds and weights.

    Returns:
        What `objective.pair_weights` names, and their weighted sum as "loss".
    """
    heads = [near_head((images + 1.0) / 2.0) for images in (pair_a, pair_b)]
    inside = tf.logical_or(*heads)
    emphasis = 1.0
    if objective.lesion_emphasis:
        emphasis += objective.lesion_emphasis * bright_in_both(pair_a, pair_b)
    values = {}
    for way, target, made in (("ab", pair_b, "paired_b"), ("ba", pair_a, "paired_a")):
        values[f"pair_{way}_loss"] = masked_l1(target, translated[made], inside, emphasis)
        if objective.pair_ssim_weight:
            dissimilarity = masked_dissimilarity(target, translated[made], inside)
            values[f"pair_ssim_{way}_loss"] = dissimilarity
    weights = objective.pair_weights
    return values | {"loss": tf.add_n([weights[name] * values[name] for name in weights])}
