"""From absl flags to a frozen configuration, and from a command's error to its exit code.

A command is one dataclass: field name, type, default and help are the absl flag. FLAGS is read in
this file only; `run` parses the command line and hands the dataclass to the command.
"""

import csv
import dataclasses
import functools
import io
import itertools
import re
import sys
from collections.abc import Callable
from typing import ClassVar

from absl import app, flags, logging

from tfcyclegan.errors import ExitCode, UserError


def flag(default, help, *, choices=None, lower=None, upper=None, required=False):
    """Declares one field of a configuration and the flag it is read from."""
    metadata = {
        "help": help,
        "choices": choices,
        "lower": lower,
        "upper": upper,
        "required": required,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Command:
    """What all commands share, and the way from flags to a frozen configuration."""

    RULES: ClassVar[tuple] = ()
    """(flag names, predicate over the dict of their values, message) of each rule between flags."""
    FIRST: ClassVar[str] = ""
    """The flag that a first word without -- stands for, as in `verify_records.py DIR`."""
    MANY: ClassVar[bool] = False
    """Whether all words before the first flag stand for it, as in `compare RUN RUN`."""

    dry_run: bool = flag(False, "Print what would be done with these flags, and stop.")

    @classmethod
    def define(cls, values: flags.FlagValues) -> None:
        """Registers the flags of this command, its required flags and its rules in `values`."""
        for field in dataclasses.fields(cls):
            _define(field, values)
            if field.metadata["required"]:
                flags.register_validator(
                    field.name,
                    lambda value: value is not None,
                    f"--{field.name} must be given",
                    flag_values=values,
                )
        for names, predicate, message in cls.RULES:
            flags.register_multi_flags_validator(names, predicate, message, flag_values=values)

    @classmethod
    def named(cls, argv: list[str]) -> list[str]:
        """Returns a command line whose first word, if it is no flag, is the flag `FIRST`."""
        words = list(itertools.takewhile(lambda word: not word.startswith("-"), argv[1:]))
        words = words if cls.MANY else words[:1]
        if not cls.FIRST or not words:
            return argv
        text = words[0]
        if cls.MANY:  # quoted where a path holds a comma, as absl reads lists
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow(words)
            text = line.getvalue()
        return [argv[0], f"--{cls.FIRST}={text}", *argv[1 + len(words) :]]

    @classmethod
    def from_flags(cls, values: flags.FlagValues):
        """Returns the configuration that parsed `values` describe."""
        settings = {}
        for field in dataclasses.fields(cls):
            value = values[field.name].value
            settings[field.name] = tuple(value) if isinstance(value, list) else value
        return cls(**settings)

    @classmethod
    def parse(cls, *arguments: str):
        """Returns the configuration of a command line such as `"--flagfile=run/flags.txt"`.

        Raises:
            UserError: A flag is unknown, out of range, or breaks a rule.
        """
        values = flags.FlagValues()
        flags.DEFINE_string("flagfile", "", "", flag_values=values)
        cls.define(values)
        try:
            rest = values(cls.named(["command", *arguments]))
        except (flags.Error, OSError) as error:
            raise UserError(str(error), ExitCode.USAGE) from error
        if rest[1:]:
            raise UserError(f"Flags start with --. Received: {' '.join(rest[1:])}", ExitCode.USAGE)
        return cls.from_flags(values)

    def to_flagfile(self) -> str:
        """Returns the whole configuration as a flagfile, one flag a line."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            text = ",".join(str(v) for v in value) if isinstance(value, tuple) else value
            lines.append(f"--{field.name}={text}")
        return "\n".join(lines) + "\n"


def _define(field: dataclasses.Field, values: flags.FlagValues) -> None:
    name, default, about = field.name, field.default, field.metadata
    limits = {"lower_bound": about["lower"], "upper_bound": about["upper"]}
    initial = None if about["required"] else default
    if isinstance(default, bool):
        flags.DEFINE_bool(name, initial, about["help"], flag_values=values)
    elif isinstance(default, int):
        flags.DEFINE_integer(name, initial, about["help"], **limits, flag_values=values)
    elif isinstance(default, float):
        flags.DEFINE_float(name, initial, about["help"], **limits, flag_values=values)
    elif isinstance(default, tuple):
        flags.DEFINE_list(
            name, None if initial is None else list(default), about["help"], flag_values=values
        )
    elif about["choices"]:
        flags.DEFINE_enum(name, initial, about["choices"], about["help"], flag_values=values)
    else:
        flags.DEFINE_string(name, initial, about["help"], flag_values=values)


def run(main: Callable, command: type[Command]) -> None:
    """Parses the command line into `command`, calls `main` with it, and exits with its result.

    A UserError ends the process with its message and exit code, without a traceback.
    """
    command.define(flags.FLAGS)
    app.run(
        functools.partial(_call, main, command),
        flags_parser=lambda argv: _parse_or_exit(command.named(argv)),
    )


def _sentence(error: Exception) -> str:
    """Returns what absl says, without the "flag --name=None" of a flag that is not there."""
    return re.sub(r"^flag --\w+=None: ", "", str(error)).rstrip(".")


def _parse_or_exit(argv: list[str]) -> list[str]:
    try:
        rest = (
            app.parse_flags_with_usage(argv)
            if {"--help", "-h", "--helpfull"} & set(argv)
            else flags.FLAGS(argv)
        )
    except (flags.Error, OSError) as error:
        _fail(UserError(f"{_sentence(error)}. See --help.", ExitCode.USAGE))
    if rest[1:]:
        _fail(
            UserError(
                f"Flags start with --. Received: {' '.join(rest[1:])}. See --help.", ExitCode.USAGE
            )
        )
    return rest


def _call(main: Callable, command: type[Command], argv: list[str]) -> None:
    del argv
    # TensorFlow logs its internals at INFO; absl has replaced the flag's default by then.
    if not any(argument.startswith(("--verbosity", "-v")) for argument in sys.argv):
        logging.set_verbosity(logging.WARNING)
    try:
        config = command.from_flags(flags.FLAGS)
        if config.dry_run:
            print(config.to_flagfile(), end="")
        sys.exit(main(config) or 0)
    except UserError as error:
        _fail(error)


def _fail(error: UserError) -> None:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
