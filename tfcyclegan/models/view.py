"""What the discriminators are shown of an image: its place, and its pixels augmented."""

import dataclasses

import tensorflow as tf

from tfcyclegan.diff_augment import DRAWS, diff_augment

STREAMS = ("real_a", "real_b", "fake_a", "fake_b", "new_fake_a", "new_fake_b")
"""What is shown; each has its own random numbers. Generators are judged by new fakes."""


@dataclasses.dataclass(frozen=True)
class View:
    """How images are shown to the discriminators; the default shows them as they are.

    Args:
        downsample: Factor by which there are fewer pixels a side, each the mean of a block.
        positions: Whether a second channel tells the slice's relative position in the head.
        augment: Kinds of `diff_augment`.
        seed: Seed of the augmentation; that of example n of the run depends on (seed, n) alone.
    """

    downsample: int = 1
    positions: bool = False
    augment: tuple[str, ...] = ()
    seed: int = 0

    @property
    def needs_details(self) -> bool:
        """Whether a batch has to bring the details of `data.training_batches`."""
        return self.positions or bool(self.augment)

    @property
    def channels(self) -> int:
        """Channels of an image that has its place."""
        return 2 if self.positions else 1

    def placed(self, images: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """Returns images, downsampled, with the slice's position as second channel if it is shown.

        Args:
            images: [N, H, W, 1], model range.
            positions: [N], 0 to 1; None where no details came.

        Returns:
            [N, H / downsample, W / downsample, `channels`]; the position from -1 to 1.
        """
        if self.downsample > 1:
            images = tf.nn.avg_pool2d(images, self.downsample, self.downsample, "VALID")
        if not self.positions:
            return images
        plane = tf.cast(2.0 * positions - 1.0, images.dtype)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        return tf.concat([images, tf.zeros_like(images) + plane], axis=-1)

    def shown(self, placed: tf.Tensor, numbers: tf.Tensor | None, stream: str) -> tf.Tensor:
        """Returns placed images [N, H, W, `channels`] with their pixels augmented, if asked for.

        Args:
            placed: What `placed` returned.
            numbers: [N], static N: the numbers of the examples in the run; None without details.
            stream: One of `STREAMS`.
        """
        if not self.augment:
            return placed
        key = tf.constant([self.seed, STREAMS.index(stream)], tf.int64)
        draws = [
            tf.random.stateless_uniform([DRAWS], tf.random.fold_in(key, number))
            for number in tf.unstack(tf.cast(numbers, tf.int64))
        ]
        pixels = diff_augment(placed[..., :1], tf.stack(draws), self.augment)
        return tf.concat([pixels, placed[..., 1:]], axis=-1)


AS_IT_IS = View()
