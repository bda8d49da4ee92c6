"""PAN (Wang et al. 2018, doi:10.1109/TIP.2018.2836316, arXiv:1706.09138)."""

from tfcyclegan.models.one_way.comparing import Comparing


class PAN(Comparing):
    """Learns from pairs without any error on pixels.

    Four hidden layers of the discriminator say how far a translation is from its target, and the
    discriminator is asked to see a difference of at least a margin.
    """

    title = "PAN"
    layer_weights = (5.0, 1.5, 1.5, 1.0)
    """Of the public port, whose layers these are."""
