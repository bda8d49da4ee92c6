"""The commands that the documents print, to be run as they stand there."""

import pathlib
import re
import shlex

from places import ROOT

from tfcyclegan.config import COMMANDS

CONFIGS = sorted((ROOT / "configs").glob("*.flags"))


def code_blocks(page: pathlib.Path) -> list[str]:
    """The code blocks of a page."""
    return re.findall(r"```[a-z]*\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page: pathlib.Path) -> list[tuple[str, list[str]]]:
    """(command, its flags) of each line of a code block that starts one of the commands."""
    found = []
    for block in code_blocks(page):
        for line in block.replace("\\\n", " ").splitlines():
            for name in COMMANDS:
                start = name if name.startswith("python") else f"python {name}"
                if line.startswith(start):
                    found.append((name, shlex.split(line.removeprefix(start), comments=True)))
    return found


def command(page: str, program: str, having: str = "", **values: object) -> tuple[str, ...]:
    """What follows `python` in the only such command of a page, flags with other values.

    Args:
        page: Path of the page from the project's root.
        program: Module of the command, `tfcyclegan.train`.
        having: One of its flags, where a page has several such commands.
        values: New values of flags that it has.
    """
    found = [
        words
        for name, words in commands(ROOT / page)
        if name == f"python -m {program}" and (not having or having in words)
    ]
    assert len(found) == 1, f"{page}: {len(found)} commands {program} {having}"
    return ("-m", program, *_with_values(found[0], values))


def command_of(config: pathlib.Path, **values: object) -> tuple[str, ...]:
    """What follows `python` in the command that a configuration gives at its top."""
    (line,) = re.findall(
        r"^#   python -m tfcyclegan\.train (.*)$", config.read_text(), re.MULTILINE
    )
    return ("-m", "tfcyclegan.train", *_with_values(shlex.split(line), values))


def _with_values(words: list[str], values: dict[str, object]) -> list[str]:
    names = [word.split("=")[0].removeprefix("--") for word in words]
    assert values.keys() <= set(names), f"{words} lacks {values.keys() - set(names)}"
    return [
        f"--{name}={values[name]}" if name in values else word
        for name, word in zip(names, words, strict=True)
    ]
