"""What a study compares: a TOML file, read and checked whole before anything runs."""

import dataclasses
import pathlib
import re

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.evaluation.figures.baselines import BASELINES

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

TEST = "test"
"""Name of the evaluation on the study's own records."""
SET_BY_THE_BENCH = ("data_dir", "workdir", "fold", "seed", "steps_per_epoch", "dry_run")
"""Flags that the bench gives to each run, so that a study may not."""
ALIKE = ("image_size", "domain_a", "domain_b")
"""Flags without which the scores of two variants would not be of the same images."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """One recipe.

    Attributes:
        name: Its name in tables and of its directory.
        flags: Flags of the training command that all its runs share.
        config: What they mean.
        minutes: Of training steps per run; 0 is the study's.
    """

    name: str
    flags: tuple[str, ...]
    config: TrainConfig
    minutes: float = 0.0


@dataclasses.dataclass(frozen=True)
class External:
    """Other records that every run is evaluated on as well."""

    name: str
    data_dir: str
    split: str


@dataclasses.dataclass(frozen=True)
class Study:
    """A whole study; the keys of the file are explained in docs/studies.md."""

    title: str
    data_dir: str
    variants: tuple[Variant, ...]
    reference: str
    folds: int
    seeds: tuple[int, ...]
    minutes: float
    steps: int
    epochs: int
    phantom: bool
    external: tuple[External, ...]


class _Table:
    """A table of the file, from which keys are taken until none is left.

    Args:
        where: The file, and the place in it, for messages.
        values: The parsed table.
    """

    def __init__(self, where: str, values):
        if not isinstance(values, dict):
            raise UserError(f"{where} must be a table of keys. Received: {values!r}.")
        self.where, self._left = where, dict(values)

    def take(self, key: str, kind: type, rule: str, valid=lambda value: True, default=None):
        """Returns the value of a key, or its default where it has one.

        Raises:
            UserError: The key is missing, of another type, or breaks its rule.
        """
        if key not in self._left and default is not None:
            return default
        if key not in self._left:
            raise UserError(f"{self.where}: the key {key} is missing. It is {rule}.")
        value = self._left.pop(key)
        fits = (int, float) if kind is float else kind
        # A bool is an int in Python, and not in TOML.
        if not isinstance(value, fits) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, rule, value)
        if not valid(value):
            raise self.error(key, rule, value)
        return value

    def error(self, key: str, rule: str, value) -> UserError:
        return UserError(f"{self.where}: {key} must be {rule}. Received: {value!r}.")

    def finish(self, known: str) -> None:
        """Raises UserError if there are keys that nobody took."""
        if self._left:
            raise UserError(
                f"{self.where}: the key {min(self._left)} is unknown. The keys are {known}."
            )


def read(path: pathlib.Path) -> Study:
    """Reads and checks a study.

    Raises:
        UserError: The file cannot be read or is no TOML, or a key is missing, unknown or wrong;
            the message names it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"--study {path} cannot be read: {error.strerror}.", ExitCode.MISSING
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--study {path} is not a TOML file: {error}.") from error
    table = _Table(str(path), values)
    title = table.take("title", str, "a line that says what is compared")
    data_dir = table.take("data_dir", str, "the directory of converted records")
    folds = table.take(
        "folds", int, "0 for the records' own splits, or at least 2", lambda n: n in _FOLDS, 0
    )
    seeds = table.take("seeds", list, "a list of different whole numbers", _are_seeds)
    minutes = table.take("minutes", float, "minutes of training steps per run", _positive, 0.0)
    steps = table.take("steps", int, "steps per run", _positive, 0)
    epochs = table.take("epochs", int, "the epochs that a run is divided into", _positive, 10)
    phantom = table.take("phantom", bool, "true where pictures show no patient", default=False)
    base = table.take("flagfile", str, "the flagfile of variants without their own", default="")
    flags = table.take("flags", list, FLAGS_RULE, _are_flags, ())
    entries = table.take("variants", list, "one [[variants]] or more", bool)
    variants = tuple(
        _variant(path, n, entry, base, tuple(flags)) for n, entry in enumerate(entries, 1)
    )
    reference = table.take("reference", str, "the name of a variant")
    entries = table.take("external", list, "one [[external]] or more", bool, ())
    external = tuple(_external(path, n, entry) for n, entry in enumerate(entries, 1))
    table.finish(
        "title, data_dir, folds, seeds, minutes, steps, epochs, phantom, flagfile, flags,"
        " reference, variants, external"
    )
    if bool(minutes) == bool(steps) or (steps and any(v.minutes for v in variants)):
        raise UserError(f"{path}: give either minutes or steps, the length of every run.")
    _check_names(path, reference, variants, external)
    return Study(
        title, data_dir, variants, reference, folds, tuple(seeds), float(minutes), steps, epochs,
        phantom, external,
    )  # fmt: skip


FLAGS_RULE = f"a list of training flags with =, none of {', '.join(SET_BY_THE_BENCH)}"
_FOLDS = {0, *range(2, 1001)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
NAME_RULE = "letters, digits, points, dashes and underscores"


def _positive(number) -> bool:
    return number > 0


def _are_seeds(values: list) -> bool:
    all_whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in values)
    return all_whole and 0 < len(values) == len(set(values))


def _are_flags(values: list) -> bool:
    matches = [re.match(r"--(\w+)=", text) if isinstance(text, str) else None for text in values]
    return all(match and match[1] not in SET_BY_THE_BENCH for match in matches)


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _variant(path: pathlib.Path, number: int, values, base: str, shared: tuple) -> Variant:
    table = _Table(f"{path}, variants {number}", values)
    name = table.take("name", str, NAME_RULE, _is_name)
    flagfile = table.take("flagfile", str, "a flagfile of the training command", default=base)
    own_flags = table.take("flags", list, FLAGS_RULE, _are_flags, ())
    minutes = table.take("minutes", float, "minutes of training steps per run", _positive, 0.0)
    table.finish("name, flagfile, flags, minutes")
    base_flags = (f"--flagfile={flagfile}",) if flagfile else ()
    flags = (*base_flags, *shared, *own_flags)
    try:
        config = TrainConfig.parse("--data_dir=-", "--workdir=-", *flags)
    except UserError as error:
        raise UserError(f"{table.where}, {name}: {error}") from error
    return Variant(name, flags, config, float(minutes))


def _external(path: pathlib.Path, number: int, values) -> External:
    table = _Table(f"{path}, external {number}", values)
    name = table.take("name", str, NAME_RULE, _is_name)
    data_dir = table.take("data_dir", str, "the directory of converted records")
    splits = ("train", "val", "test")
    split = table.take("split", str, "train, val or test", splits.__contains__, "test")
    table.finish("name, data_dir, split")
    return External(name, data_dir, split)


def _check_names(path: pathlib.Path, reference: str, variants, external) -> None:
    names = [variant.name for variant in variants]
    for kind, kind_names in (
        ("variants", names),
        ("external", [TEST, *(e.name for e in external)]),
    ):
        twice = sorted({name for name in kind_names if kind_names.count(name) > 1})
        if twice:
            raise UserError(f"{path}: the name of all {kind} must differ. Twice: {twice[0]}.")
    if taken := sorted(BASELINES.keys() & set(names)):
        raise UserError(
            f"{path}: {taken[0]} is a baseline of every table. Give the variant another name."
        )
    if reference not in names:
        raise UserError(
            f"{path}: reference must be the name of a variant, {', '.join(names)}. Received:"
            f" {reference!r}."
        )
    first_variant = variants[0]
    for variant in variants[1:]:
        for name in ALIKE:
            first_value, other_value = (
                getattr(first_variant.config, name),
                getattr(variant.config, name),
            )
            if first_value != other_value:
                raise UserError(
                    f"{path}: all variants must have one --{name}, or their scores could not be"
                    f" compared. Received: {first_value} in {first_variant.name},"
                    f" {other_value} in {variant.name}."
                )
