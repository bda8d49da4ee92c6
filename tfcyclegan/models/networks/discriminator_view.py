"""What the discriminators are shown of an image: fewer pixels, and its place."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class View:
    """How images are shown to the discriminators; the default shows them as they are.

    Args:
        downsample: Factor by which there are fewer pixels a side, each the mean of a block.
        positions: Whether a second channel tells the slice's relative position in the head, which
            a batch then has to bring (`batches.training_batches`).
    """

    downsample: int = 1
    positions: bool = False

    @property
    def channels(self) -> int:
        """Channels of an image that is shown."""
        return 2 if self.positions else 1

    def shown(self, images: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """Returns images, downsampled, with the slice's position as second channel if it is shown.

        Args:
            images: [N, H, W, 1], model range.
            positions: [N], 0 to 1; None where a batch brings none.

        Returns:
            [N, H / downsample, W / downsample, `channels`]; the position from -1 to 1.
        """
        if self.downsample > 1:
            images = tf.nn.avg_pool2d(images, self.downsample, self.downsample, "VALID")
        if not self.positions:
            return images
        plane = tf.cast(2.0 * positions - 1.0, images.dtype)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        return tf.concat([images, tf.zeros_like(images) + plane], axis=-1)


AS_IT_IS = View()
