"""What a direction is called and where it finds its slices, and the networks that it owns."""

import dataclasses

import keras

from tfcyclegan.models.networks.fixed_features import FixedFeatures
from tfcyclegan.models.step.image_pool import ImagePool


@dataclasses.dataclass(frozen=True)
class Direction:
    """Where a direction finds its slices in a batch, and what its networks are called.

    Attributes:
        source: Place of its source in a batch, 0 for domain a.
        ways: "ab" or "ba".
        target: "a" or "b", whose images its discriminator judges.
    """

    source: int
    ways: str
    target: str

    @property
    def judged(self) -> tuple[str, ...]:
        """Names in the logs of the discriminator's loss, and of how often it is right."""
        name = f"discriminator_{self.target}"
        return f"{name}_loss", f"{name}_accuracy_real", f"{name}_accuracy_fake"


DIRECTIONS = {"a_to_b": Direction(0, "ab", "b"), "b_to_a": Direction(1, "ba", "a")}


@dataclasses.dataclass(frozen=True)
class Networks:
    """What one direction is trained with; all of it is built already.

    Args:
        generator: Model from source to target, [N, H, W, 1], model range.
        discriminator: Model from what it is shown to logits [N, h, w, 1].
        helper: A network that is trained with the generator and is not needed to translate.
        pool: Pool that the discriminator sees translated images through; None for no pool.
        features: Of a network that nobody trains, if the target is compared by them.
    """

    generator: keras.Model
    discriminator: keras.Model
    helper: keras.Model | None = None
    pool: ImagePool | None = None
    features: FixedFeatures | None = None
