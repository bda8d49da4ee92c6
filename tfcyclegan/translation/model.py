"""The exported model that translates: what it makes of what, and at which size it was trained."""

import dataclasses
import hashlib
import json
import pathlib

import tensorflow as tf

from tfcyclegan.errors import UserError
from tfcyclegan.export import CARD
from tfcyclegan.scoring import Translator

MISSING = 5
_BACK = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One direction of a model, and the way back.

    Attributes:
        source, target: Sequences, of records.SEQUENCES.
        size: Height and width that it was trained at.
        digest: 32 hex digits that change with its weights.
        forward, back: float32 [N, H, W, 1] to the same shape, unit range.
    """

    source: str
    target: str
    size: int
    digest: str
    forward: Translator
    back: Translator


def load(path: str, direction: str) -> Model:
    """Loads an exported model.

    Args:
        path: A version directory, or the one above it, of which the newest version is taken.
        direction: "a_to_b" or "b_to_a".

    Raises:
        UserError: There is none.
    """
    directory = _version(pathlib.Path(path))
    card = directory / CARD
    if not (directory / "saved_model.pb").is_file() or not card.is_file():
        raise UserError(
            "--model must be a directory that python -m tfcyclegan.export wrote, with"
            f" saved_model.pb and {CARD}. Received: {path}.",
            MISSING,
        )
    described = json.loads(card.read_text())
    loaded = tf.saved_model.load(str(directory))
    domains = [described["domain_a"], described["domain_b"]]
    source, target = domains if direction == "a_to_b" else domains[::-1]
    return Model(
        source=source,
        target=target,
        size=described["trained_image_size"],
        digest=_digest(directory),
        forward=_translator(loaded, direction),
        back=_translator(loaded, _BACK[direction]),
    )


def _version(path: pathlib.Path) -> pathlib.Path:
    if (path / "saved_model.pb").is_file() or not path.is_dir():
        return path
    versions = [child for child in path.iterdir() if child.name.isdecimal()]
    return max(versions, key=lambda child: int(child.name), default=path)


def _translator(loaded, name: str) -> Translator:
    signature = loaded.signatures[name]
    return lambda images: signature(image=images)["image"]


def _digest(directory: pathlib.Path) -> str:
    """Hashes graph and weights; not their fingerprint, which another export writes anew."""
    digest = hashlib.sha256()
    for path in (directory / "saved_model.pb", *sorted((directory / "variables").iterdir())):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
