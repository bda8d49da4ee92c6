"""What the discriminators are shown of an image beyond its pixels."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class View:
    """How images are shown to the discriminators; the default shows them as they are.

    Args:
        positions: Whether a second channel tells the slice's relative position in the head.
    """

    positions: bool = False

    @property
    def needs_details(self) -> bool:
        """Whether a batch has to bring the details of `data.training_batches`."""
        return self.positions

    @property
    def channels(self) -> int:
        """Channels of an image that has its place."""
        return 2 if self.positions else 1

    def placed(self, images: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """Returns images with the slice's position as second channel, if it is to be shown.

        Args:
            images: [N, H, W, 1], model range.
            positions: [N], 0 to 1; None where no details came.

        Returns:
            [N, H, W, `channels`]; the position from -1 to 1.
        """
        if not self.positions:
            return images
        plane = tf.cast(2.0 * positions - 1.0, images.dtype)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        return tf.concat([images, tf.zeros_like(images) + plane], axis=-1)


AS_IT_IS = View()
