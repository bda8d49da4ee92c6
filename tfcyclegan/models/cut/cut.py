"""CUT and FastCUT in one direction or in both (Park et al. 2020, arXiv:2007.15651)."""

import tensorflow as tf

from tfcyclegan.models.losses.patch_nce import patch_nce
from tfcyclegan.models.networks.patch_features import PatchFeatures, encoder_of
from tfcyclegan.models.one_way.directions import Networks
from tfcyclegan.models.one_way.model import OneWay

PLACE_SALT, FLIP_SALT = 1000211, 1000213


class CUT(OneWay):
    """Learns from unpaired images that a patch of a translation is the one that it was made of.

    The generator's own first half makes features of the source and of the translation; the helper,
    a projector, makes them comparable.

    Args:
        networks: By direction; the helper is of `build_projector`, for the encoder with `layers`.
        layers: Numbers of `taps_of` that are compared.
        fast: FastCUT: half of the time the sources are mirrored, and there is no identity term.
        patches: Places that are compared with each other.
        seed: Seed of places and mirrors; step n depends on (seed, n) alone.
        **kwargs: For OneWay.
    """

    def __init__(
        self,
        networks: dict[str, Networks],
        *,
        layers: tuple[int, ...],
        fast: bool,
        patches: int,
        seed: int,
        **kwargs,
    ):
        super().__init__("cut", networks, **kwargs)
        self.features = {
            name: PatchFeatures(encoder_of(own.generator, layers), own.helper)
            for name, own in networks.items()
        }
        self.fast, self.patches, self.seed = fast, patches, seed
        self.title = "FastCUT" if fast else "CUT"
        self.contents = ("nce",) if fast else ("nce", "nce_identity")

    def compile(self, *, nce_weight: float, **kwargs):
        """Sets the weight of the contrastive loss, 1 or, for FastCUT, 10 in the paper."""
        self.nce_weight = nce_weight
        super().compile(**kwargs)

    def translate(self, batch):
        if self.fast:
            batch = (*(self._mirrored(images) for images in batch[:2]), *batch[2:])
        return super().translate(batch)

    def content_losses(self, direction, source, target, fake):
        ways = self.ways[direction].ways
        loss = self.contrast(direction, source, fake)
        if self.fast:
            return {f"nce_{ways}_loss": loss}, self.nce_weight * loss
        unchanged = self.own[direction].generator(target, training=True)
        identity = self.contrast(direction, target, unchanged)
        values = {f"nce_{ways}_loss": loss, f"nce_identity_{ways}_loss": identity}
        return values, self.nce_weight * 0.5 * (loss + identity)

    def contrast(self, direction: str, source: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """Returns the mean contrastive loss of all taps, [N].

        Args:
            direction: Whose features are compared.
            source: Images [N, H, W, 1], model range.
            fake: What was made of them, or of their mirror images where FastCUT drew that.
        """
        features = self.features[direction]
        pairs = [tf.split(m, 2) for m in features.maps(tf.concat([fake, source], 0))]
        queries = [self._mirrored(of_fake) if self.fast else of_fake for of_fake, _ in pairs]
        seed = self._seed(PLACE_SALT)
        queries = features.at_places(queries, self.patches, seed)
        keys = features.at_places([of_source for _, of_source in pairs], self.patches, seed)
        losses = [patch_nce(q, k) for q, k in zip(queries, keys, strict=True)]
        return tf.add_n(losses) / len(losses)

    def _seed(self, salt: int) -> tf.Tensor:
        step = tf.cast(tf.convert_to_tensor(self.optimizer.iterations), tf.int64)
        return tf.stack([tf.constant(self.seed + salt, tf.int64), step])

    def _mirrored(self, images: tf.Tensor) -> tf.Tensor:
        """Returns images or maps [N, H, W, C], left and right exchanged in half of all steps."""
        drawn = tf.random.stateless_uniform([], self._seed(FLIP_SALT)) < 0.5
        return tf.where(drawn, tf.reverse(images, [2]), images)
