"""RegGAN in one direction or in both (Kong et al. 2021, NeurIPS, arXiv:2110.06465)."""

import tensorflow as tf

from tfcyclegan.models.losses.adversarial import cycle_loss
from tfcyclegan.models.losses.paired import smoothness
from tfcyclegan.models.networks.registration import at_size, warped
from tfcyclegan.models.one_way.model import OneWay

FAR = 0.05
"""Share of the frame; who moves a translation further may be mending what the generator did."""


class RegGAN(OneWay):
    """Learns from pairs that may have moved: the error is taken after a warp to the target.

    The target counts as a label with noise. A registration network, the helper, looks at the
    translation and the target and predicts how to move the one to the other. The discriminator and
    whoever uses the model see the translation as it is.
    """

    title = "RegGAN"
    data_kind = "paired"
    contents = ("pair", "smoothness")
    content_details = ("displacement_mean", "displacement_max")

    def compile(self, *, pair_weight: float, smoothness_weight: float, frame: int, **kwargs):
        """Sets the weights, 20 and 10 in the authors' code; the rest as of `OneWay`.

        Args:
            pair_weight: Of the absolute error after the warp.
            smoothness_weight: Of `losses.paired.smoothness`.
            frame: Height and width of the images, which `cautions` compares displacements with.
            **kwargs: For OneWay.compile.
        """
        self.pair_weight, self.smoothness_weight = pair_weight, smoothness_weight
        self.frame = frame
        super().compile(**kwargs)

    def displacement(self, direction: str, fake: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Returns what the registration network says, in pixels of its own size, [N, h, w, 2]."""
        network = self.helpers[direction]
        factor = fake.shape[1] // network.input_shape[1]
        images = tf.concat([fake, target], -1)
        if factor > 1:
            images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
        return network(images, training=True)

    def content_losses(self, direction, source, target, fake):
        moved = self.displacement(direction, fake, target)
        in_pixels = at_size(moved, fake.shape[1])
        error = cycle_loss(target, warped(fake, in_pixels))
        unsmooth = smoothness(moved)
        length = tf.norm(in_pixels, axis=-1)
        ways = self.ways[direction].ways
        values = {
            f"pair_{ways}_loss": error,
            f"smoothness_{ways}_loss": unsmooth,
            f"displacement_mean_{ways}": tf.reduce_mean(length, axis=(1, 2)),
            f"displacement_max_{ways}": tf.reduce_max(length, axis=(1, 2)),
        }
        return values, self.pair_weight * error + self.smoothness_weight * unsmooth

    def cautions(self, logs):
        found = []
        for way in self.ways.values():
            largest = logs.get(f"displacement_max_{way.ways}", 0.0)
            if largest > FAR * self.frame:
                found.append(
                    f"registration_{way.ways} moves translations by {largest:.1f} pixels on average"
                    f" at the place that moves most, more than {FAR:.0%} of the frame. It may be"
                    " mending what the generator does to the anatomy. Look at the samples, or raise"
                    " --smoothness_weight."
                )
        return found
