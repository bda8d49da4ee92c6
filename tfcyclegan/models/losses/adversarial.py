"""Equations 6 to 9 of Trong et al. (2023), one value per example.

Every function takes float32 and returns float32 [N]: the mean over an example's pixels or patches.
The mean over the global batch is taken in one place, the model, because only that place knows how
many replicas share the batch. The constants stand in docs/model.md beside those of other codes.

References:
    Trong et al. (2023), Enhancement of brain MRI image database using CycleGAN.
    Zhu et al. (2017), https://arxiv.org/abs/1703.10593.
"""

import tensorflow as tf

ADVERSARIAL = ("vanilla", "lsgan")


def _mean_per_example(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=tf.range(1, tf.rank(values)))


def score_loss(scores: tf.Tensor, target: float, kind: str) -> tf.Tensor:
    if kind == "vanilla":
        targets = tf.ones_like(scores) * target
        values = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=scores)
    elif kind == "lsgan":
        values = tf.square(scores - target)
    else:
        raise ValueError(f"Adversarial loss: expected one of {ADVERSARIAL}. Received: {kind!r}.")
    return _mean_per_example(values)


def generator_adversarial_loss(fake_scores: tf.Tensor, *, kind: str) -> tf.Tensor:
    """Returns how far a generator is from fooling a discriminator, equations 6 and 7.

    The vanilla form is the non-saturating one, -log D(G(x)) (Goodfellow et al. 2014, section 3),
    because log(1 - D(G(x))) has no gradient while the discriminator wins.

    Args:
        fake_scores: Logits [N, h, w, 1] of translated images.
        kind: "vanilla" (cross-entropy) or "lsgan" (squared distance from 1).
    """
    return score_loss(fake_scores, 1.0, kind)


def discriminator_adversarial_loss(
    real_scores: tf.Tensor, fake_scores: tf.Tensor, *, kind: str
) -> tf.Tensor:
    """Returns half the sum of the losses on real and on fake images, equations 6 and 7.

    The half slows the discriminator relative to the generators (Zhu et al. 2017, section 7.1).

    Args:
        real_scores: Logits [N, h, w, 1] of real images.
        fake_scores: Logits [N, h, w, 1] of translated images.
        kind: "vanilla" or "lsgan" (1 for real, 0 for fake).
    """
    return 0.5 * (score_loss(real_scores, 1.0, kind) + score_loss(fake_scores, 0.0, kind))


def cycle_loss(real: tf.Tensor, cycled: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference of one direction, one of the two terms of equation 8.

    Args:
        real: Images [N, H, W, 1], model range.
        cycled: The same after translation there and back.
    """
    return _mean_per_example(tf.abs(cycled - real))


def identity_loss(real: tf.Tensor, identity: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute change of an image already in the target domain.

    Not in the paper; Zhu et al. (2017), section 5.2.

    Args:
        real: Images [N, H, W, 1] of the generator's target domain, model range.
        identity: What the generator makes of them.
    """
    return cycle_loss(real, identity)


DECISION = {"vanilla": 0.0, "lsgan": 0.5}
"""Score above which a patch counts as judged real: even odds, or nearer 1 than 0."""


def share_judged_right(scores: tf.Tensor, *, real: bool, kind: str) -> tf.Tensor:
    """Returns the share of each example's patches that a discriminator judges rightly.

    About one half on both sides is the equilibrium of Goodfellow et al. (2014), section 4.1; 1 on
    both means that the generators learn from a discriminator which is no longer fooled.

    Args:
        scores: Logits [N, h, w, 1].
        real: Whether the images are real.
        kind: The adversarial loss, "vanilla" or "lsgan".

    Returns:
        [N], dtype of `scores`, 0 to 1.
    """
    right = tf.equal(scores > DECISION[kind], real)
    return tf.reduce_mean(tf.cast(right, scores.dtype), axis=[1, 2, 3])


def judged(domain: str, real_scores: tf.Tensor, fake_scores: tf.Tensor, *, kind: str) -> dict:
    """Returns a discriminator's loss and how often it is right, per example, float32 [N].

    Args:
        domain: "a" or "b".
        real_scores: Logits of real images, [N, h, w, 1].
        fake_scores: Logits of translated images.
        kind: "vanilla" or "lsgan".
    """
    loss = discriminator_adversarial_loss(real_scores, fake_scores, kind=kind)
    name = f"discriminator_{domain}"
    return {
        f"{name}_loss": loss,
        f"{name}_accuracy_real": share_judged_right(real_scores, real=True, kind=kind),
        f"{name}_accuracy_fake": share_judged_right(fake_scores, real=False, kind=kind),
    }
