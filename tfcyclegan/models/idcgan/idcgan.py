"""ID-CGAN (Zhang et al. 2017, arXiv:1701.05957), as its authors' code has it."""

import tensorflow as tf

from tfcyclegan.models.losses.features import content_difference, feature_difference
from tfcyclegan.models.one_way.model import OneWay


class IDCGAN(OneWay):
    """Learns from pairs: the squared error, and features of a network that nobody trains."""

    title = "ID-CGAN"
    data_kind = "paired"
    contents = ("pair", "perceptual")
    conditional = True

    def compile(self, *, pair_weight: float, feature_weight: float, **kwargs):
        """Sets the weights, 150 each in the authors' code; the rest as of `OneWay`.

        Args:
            pair_weight: Of the mean squared error.
            feature_weight: Of the mean absolute difference of features, over layers alike.
            **kwargs: For OneWay.compile.
        """
        self.pair_weight, self.feature_weight = pair_weight, feature_weight
        super().compile(**kwargs)

    def content_losses(self, direction, source, target, fake):
        features = self.own[direction].features
        real, made = [tf.stop_gradient(m) for m in features(target)], features(fake)
        error = content_difference([target], [fake])
        difference = feature_difference(real, made, [1.0 / len(real)] * len(real))
        ways = self.ways[direction].ways
        values = {f"pair_{ways}_loss": error, f"perceptual_{ways}_loss": difference}
        return values, self.pair_weight * error + self.feature_weight * difference
