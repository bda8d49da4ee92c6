"""The exported model that translates: what it makes of what, and at which size it was trained."""

import dataclasses
import hashlib
import pathlib

from tfcyclegan.data import windows
from tfcyclegan.errors import UserError
from tfcyclegan.models.serving import saved_model
from tfcyclegan.models.translators import OPPOSITE, Sampler, Translator

DESCRIBED = ("domain_a", "domain_b", "image_size", "epochs", "trained_on_pairs")


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One direction of a model, and the way back.

    Attributes:
        direction: "a_to_b" or "b_to_a".
        source, target: Sequences, of records.SEQUENCES.
        size: Height and width that it was trained at.
        digest: 32 hex digits that change with its weights.
        forward: float32 [N, H, W, 1] to the same shape, unit range; of a sampler, numbers int64 [N]
            to images.
        back: The same in the other direction; None of a model that was not trained to come back.
        described: What its card says of it.
        title: What model it is, for texts.
        kind: "translator", or "sampler" of a model without a source.
        percentiles: Of windows.WINDOWS, by which the volumes it learnt from were windowed.
    """

    direction: str
    source: str
    target: str
    size: int
    digest: str
    forward: Translator | Sampler
    back: Translator | None
    described: dict = dataclasses.field(default_factory=dict)
    percentiles: windows.Percentiles = windows.WINDOW_PERCENTILES
    title: str = ""
    kind: str = "translator"


def load(path: str, direction: str) -> Model:
    """Loads an exported model.

    Args:
        path: A version directory, or the one above it, of which the newest version is taken.
        direction: "a_to_b" or "b_to_a"; "auto" for the first that the model has.

    Raises:
        UserError: There is none (5), or it has not the direction.
    """
    directory = _version(pathlib.Path(path))
    translators, described = saved_model.load(directory)
    direction = next(iter(translators)) if direction == "auto" else direction
    if direction not in translators:
        raise UserError(
            f"--direction={direction} is not one of this --model: {', '.join(translators)}."
        )
    domains = [described["domain_a"], described["domain_b"]]
    source, target = domains if direction == "a_to_b" else domains[::-1]
    return Model(
        direction=direction,
        source=source,
        target=target,
        size=described["image_size"],
        percentiles=described["window_percentiles"],
        digest=_digest(directory),
        forward=translators[direction],
        back=translators.get(OPPOSITE[direction]) if described["cycled"] else None,
        title=described["title"],
        kind=described["kind"],
        described={k: described[k] for k in DESCRIBED},
    )


def _version(path: pathlib.Path) -> pathlib.Path:
    if (path / "saved_model.pb").is_file() or not path.is_dir():
        return path
    versions = [child for child in path.iterdir() if child.name.isdecimal()]
    return max(versions, key=lambda child: int(child.name), default=path)


def _digest(directory: pathlib.Path) -> str:
    """Hashes graph and weights, not the fingerprint file, which each export writes anew."""
    digest = hashlib.sha256()
    for path in (directory / "saved_model.pb", *sorted((directory / "variables").iterdir())):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
