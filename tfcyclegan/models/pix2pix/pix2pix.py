"""pix2pix (Isola et al. 2017, arXiv:1611.07004)."""

from tfcyclegan.models.losses.adversarial import cycle_loss
from tfcyclegan.models.one_way.model import OneWay


class Pix2Pix(OneWay):
    """Learns from pairs: the absolute error, and a discriminator that is shown the source too."""

    title = "pix2pix"
    data_kind = "paired"
    contents = ("pair",)
    conditional = True

    def compile(self, *, pair_weight: float, **kwargs):
        """Sets the weight of the absolute error, 100 in the paper; the rest as of `OneWay`."""
        self.pair_weight = pair_weight
        super().compile(**kwargs)

    def content_losses(self, direction, source, target, fake):
        error = cycle_loss(target, fake)
        return {f"pair_{self.ways[direction].ways}_loss": error}, self.pair_weight * error
