"""Models whose discriminators also say how far a translation is from its target."""

import tensorflow as tf

from tfcyclegan.models.losses.adversarial import generator_adversarial_loss, judged
from tfcyclegan.models.losses.features import feature_difference, margin_left
from tfcyclegan.models.one_way.model import OneWay


class Comparing(OneWay):
    """Learns from pairs by the hidden layers of its discriminator, which returns them too.

    Attributes:
        layer_weights: Weight of each layer that is compared, the image itself first where
            `with_image`.
        with_image: Whether the image itself counts as a layer.
    """

    data_kind = "paired"
    contents = ("perceptual",)
    layer_weights: tuple[float, ...] = ()
    with_image = False

    def compile(self, *, feature_weight: float, margin: float = 0.0, **kwargs):
        """Sets what is asked for; the rest as of `OneWay`.

        Args:
            feature_weight: Weight of the difference between hidden layers.
            margin: The difference that a discriminator is asked to see at least; 0 asks for none.
            **kwargs: For OneWay.compile.
        """
        self.feature_weight, self.margin = feature_weight, margin
        self.asked_to_see = ("margin",) if margin else ()
        super().compile(**kwargs)

    def seen(self, direction: str, images: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns the logits of shown images, and the layers that are compared, [N, h, w, d]."""
        scores, *layers = self.discriminators[direction](images, training=True)
        return scores, [images[..., :1], *layers] if self.with_image else layers

    def fooling_losses(self, direction, fake, real):
        scores, made = self.seen(direction, fake)
        _, wanted = self.seen(direction, real)
        adversarial = generator_adversarial_loss(scores, kind=self.adversarial)
        wanted = [tf.stop_gradient(layer) for layer in wanted]
        difference = feature_difference(wanted, made, self.layer_weights)
        ways = self.ways[direction].ways
        values = {f"generator_{ways}_loss": adversarial, f"perceptual_{ways}_loss": difference}
        return values, adversarial + self.feature_weight * difference

    def content_losses(self, direction, source, target, fake):
        return {}, 0.0

    def judging_losses(self, direction, fake, real):
        scores, layers = self.seen(direction, tf.concat([real, fake], 0))
        way = self.ways[direction]
        values = judged(way.target, *tf.split(scores, 2), kind=self.adversarial)
        loss = values[way.judged[0]]
        if not self.margin:
            return values, loss
        wanted, made = zip(*(tf.split(layer, 2) for layer in layers), strict=True)
        difference = feature_difference(wanted, made, self.layer_weights)
        short = margin_left(self.feature_weight * difference, self.margin)
        # Beside another term the half of `judged` would count.
        return values | {f"margin_{way.target}_loss": short}, 2.0 * loss + short
