"""MedGAN (Armanious et al. 2020, doi:10.1016/j.compmedimag.2019.101684, arXiv:1806.06397)."""

import tensorflow as tf

from tfcyclegan.models.losses.features import content_difference, style_difference
from tfcyclegan.models.one_way.comparing import Comparing
from tfcyclegan.models.step.early_updates import update_early

UPDATES = 3
"""Of the generators for each of the discriminators."""


class MedGAN(Comparing):
    """Learns from pairs by its discriminator's layers, and by a network that nobody trains.

    The image itself and two hidden layers of the discriminator are compared; style and content are
    of the other network. The generators are updated three times a step, each time by other pairs.
    """

    title = "MedGAN"
    contents = ("perceptual", "style", "content")
    conditional = True
    layer_weights = (1.0, 1.0, 1.0)
    with_image = True

    def compile(self, *, style_weight: float, content_weight: float, **kwargs):
        """Sets the weights, 1e-4 each in the paper; the rest as of `Comparing`."""
        self.style_weight, self.content_weight = style_weight, content_weight
        super().compile(**kwargs)

    @property
    def batch_details(self):
        return {**super().batch_details, "images_per_example": UPDATES}

    def train_step(self, data):
        shares = [tuple(x[update::UPDATES] for x in data) for update in range(UPDATES)]
        good = tf.constant(True)
        for share in shares[:-1]:
            good = update_early(
                self._taught_generators,
                share,
                parts=self.accumulate_steps,
                variables=self.generator_variables,
                optimizer=self.optimizer,
                before=good,
            )
        return self.step(shares[-1], before=good)

    def content_losses(self, direction, source, target, fake):
        features = self.own[direction].features
        real, made = [tf.stop_gradient(m) for m in features(target)], features(fake)
        style, content = style_difference(real, made), content_difference(real, made)
        ways = self.ways[direction].ways
        values = {f"style_{ways}_loss": style, f"content_{ways}_loss": content}
        return values, self.style_weight * style + self.content_weight * content
