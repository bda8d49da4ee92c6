"""Every string that a finished output may hold, read from this program's own source.

A string is known if a room that writes outputs holds it as a literal, or if it is a keyed
pseudonym, a checksum, a version, or the name of an exception. Nothing that came from a header is
any of these.
"""

import ast
import functools
import pathlib
import re

import tfcyclegan
from tfcyclegan.ingest import output
from tfcyclegan.privacy import hygiene

WRITERS = ("config", "data", "imaging", "ingest", "privacy", "translation")
"""Rooms whose words can be in an output."""
_OWN = re.compile(
    r"|[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{8}|<[0-9]{1,2}"
    r"|[A-Z][A-Za-z0-9]{1,40}(Error|Warning|Exception|Refusal)|[a-z]+\.error"
    # What a model says of the pairs that it learnt from, of training_slices.pairs_of.
    r"|[0-9]{1,9} pairs? of [0-9]{1,9} patients?"
    r"(, features of (randconv_v1|vgg16|vgg19) \(sha256 [0-9a-f]{8}\))?"
)


@functools.cache
def literals() -> frozenset[str]:
    """Returns every string constant of the source of `WRITERS`."""
    strings = {tfcyclegan.__version__}
    for path in (path for room in WRITERS for path in (hygiene.PACKAGE / room).rglob("*.py")):
        if "phantom" in path.parts:
            continue  # its invented names of patients and hospitals
        tree = ast.parse(path.read_text(encoding="utf-8"))
        strings |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return frozenset(strings)


def is_known(text: str) -> bool:
    """Tells whether a string of an output is of this program and of nothing else."""
    return text in literals() or _OWN.fullmatch(text) is not None or _is_location(text)


def _is_location(text: str) -> bool:
    """Accepts `room/file:line` and `room/room/file:line` of files that exist."""
    place, _, line = text.rpartition(":")
    parts = pathlib.PurePosixPath(place).parts
    well_formed = (
        place and 1 <= len(parts) <= 3 and all(re.fullmatch("[a-z0-9_]+", p) for p in parts)
    )
    return bool(well_formed and line.isdigit() and (hygiene.PACKAGE / f"{place}.py").is_file())


def is_number(text: str) -> bool:
    """Tells whether a cell is a plain number of at most 12 characters."""
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", text) is not None and len(text) <= 12


def is_output(name: str) -> bool:
    """Tells whether a conversion writes a file of this name."""
    picture = re.fullmatch(
        rf"{output.SHEETS}/[0-9a-f]{{32}}\.png|{output.PICTURES}/[0-9a-f]{{32}}-[0-9]{{4}}\.png",
        name,
    )
    return picture is not None or output.is_published(name)
