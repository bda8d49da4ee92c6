"""What a replica computes of a batch of slices: one compiled path, from stored pixels to numbers.

Everything after a generator is float32 or float64, whatever its precision.
"""

from collections.abc import Callable

import tensorflow as tf

from tfcyclegan.data import intensity
from tfcyclegan.data.intensity import UNIT_RANGE
from tfcyclegan.metrics import ssim_graph
from tfcyclegan.metrics.correlation import correlation
from tfcyclegan.metrics.extractors import Extractor
from tfcyclegan.models import translators

PERTURBATION = 3 / 256
"""Standard deviation of the noise that breaks what a generator hides in an image, unit range."""
NOISE_SEED = (20170710, 0)
GREYS = 255

PAIRED = ("mse", "ssim", "ssim_head")
CYCLE = ("cycle_mse", "cycle_mse_perturbed", "cycle_ssim", "cycle_ssim_perturbed")


def columns(*, paired: bool, cycled: bool) -> tuple[str, ...]:
    """Returns the names of what `scorer` computes, in the order of its columns.

    Args:
        paired: Whether the batch has targets.
        cycled: Whether there is a way back.
    """
    return ("source_correlation", *(PAIRED if paired else CYCLE if cycled else ()))


def scorer(
    generator, back, extractor: Extractor, *, columns: tuple[str, ...]
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """Returns the function that scores a batch of one direction.

    Args:
        generator: Translates the batch; model range.
        back: Translates back; model range. None where no column needs it.
        extractor: Makes features of translations.
        columns: Of `columns`. Without targets the cycle is scored: the source against the
            translation of its translation, and the same where that has been rounded to 8 bit and
            given noise, because generators hide the source in what nobody sees (Chu et al. 2017,
            arXiv:1712.02950).

    Returns:
        From `source`, `target` uint16 [N, S, S] and `source_head`, `target_head` bool [N, S, S] to
        float32 [N, columns + d]: the columns, then the features of the translations.
    """

    def score(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        source = _unit(batch["source"])
        fake = translators.translated(generator, source)
        values = [correlation(source, fake, batch["source_head"])]
        if PAIRED[0] in columns:
            target, head = _unit(batch["target"]), batch["target_head"][..., tf.newaxis]
            frame = tf.ones_like(head)
            values += [_errors(target, fake)[0], *_ssims(target, [fake, fake], [frame, head])]
        elif CYCLE[0] in columns:
            both = translators.translated(back, tf.concat([fake, _perturbed(fake)], axis=0))
            cycled = tf.split(both, 2)
            values += [*_errors(source, *cycled), *_ssims(source, cycled)]
        return tf.concat([tf.stack(values, axis=1), extractor(fake)], axis=1)

    return score


def real_features(extractor: Extractor) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """Returns the function that makes features [N, d] of a batch's `real` uint16 [N, S, S]."""
    return lambda batch: extractor(_unit(batch["real"]))


def _unit(stored: tf.Tensor) -> tf.Tensor:
    return intensity.stored_to_unit(tf.cast(stored, tf.float32))[..., tf.newaxis]


def _errors(target: tf.Tensor, *made: tf.Tensor) -> list[tf.Tensor]:
    return [tf.reduce_mean(tf.square(target - images), axis=(1, 2, 3)) for images in made]


def _ssims(target: tf.Tensor, made: list, masks: list | None = None) -> list[tf.Tensor]:
    """Returns [N] of each of `made`; in one batch, because a graph of SSIM is slow to compile."""
    targets = tf.concat([target] * len(made), axis=0)
    mask = None if masks is None else tf.concat(masks, axis=0)
    values = ssim_graph(targets, tf.concat(made, axis=0), data_range=UNIT_RANGE, mask=mask)
    return tf.split(values, len(made))


def _perturbed(images: tf.Tensor) -> tf.Tensor:
    """Rounds to 8 bit and adds noise, the same to every slice, so that no order changes it."""
    noise = tf.random.stateless_normal(images.shape[1:], NOISE_SEED, stddev=PERTURBATION)
    return tf.clip_by_value(tf.round(images * GREYS) / GREYS + noise, 0.0, 1.0)
