"""The last look at what is about to be published: records, reports and file names.

`record_bytes.serialize` refuses what is not in the schema; this reads the finished bytes again,
so that a fault between the two, or a later change to the writer, cannot publish a string that was
read.
"""

import functools
import re
from collections.abc import Iterable, Mapping

from tfcyclegan.errors import ExitCode, UserError

TOKEN = re.compile(r"[a-z0-9_.-]{1,40}")
"""Every byte feature but the pixels: closed names, versions and hex digits."""


def check_example(example, fields: Mapping) -> None:
    """Checks one parsed tf.Example against the whitelist.

    Args:
        example: tf.train.Example, parsed back from the bytes that were written.
        fields: Of records.whitelist.

    Raises:
        UserError: A feature is missing, foreign, of another kind or length, or a string outside its
            closed vocabulary. The message names the feature if it is in the whitelist, and never
            its value.
    """
    features = example.features.feature
    needed = {name for name, field in fields.items() if field.default is None}
    if not needed <= set(features) <= set(fields):
        raise _leak("a feature set other than the whitelist")
    for name in features:
        field = fields[name]
        kind = features[name].WhichOneof("kind")
        values = getattr(features[name], kind).value if kind else ()
        if kind != f"{field.kind}_list" or len(values) != field.length:
            raise _leak(f"feature {name} with another kind or length")
        if field.sizes and any(len(value) not in field.sizes for value in values):
            raise _leak(f"feature {name} with another number of pixels")
        if field.kind == "bytes" and field.allowed is not None:
            for value in values:
                _check_closed(name, value, field.allowed)


# Once per text: most records of a shard have the same, and a refusal is not remembered.
@functools.lru_cache(maxsize=4096)
def _check_closed(name: str, value: bytes, allowed) -> None:
    text = value.decode("ascii", "replace")
    in_vocabulary = (
        allowed.fullmatch(text) is not None if isinstance(allowed, re.Pattern) else text in allowed
    )
    if not in_vocabulary or TOKEN.fullmatch(text) is None:
        raise _leak(f"feature {name} with a value outside its closed vocabulary")


def check_row(row: Mapping, vocabulary: Iterable[str]) -> None:
    """Checks that every string of a report's row is hex, a code location or of `vocabulary`.

    Args:
        row: Column to number, None or string.
        vocabulary: The closed names the row may use.

    Raises:
        UserError: A string is none of these; the message names the column only.
    """
    words = set(vocabulary)
    for column, value in row.items():
        if value is None or isinstance(value, (bool, int, float)) or value in words:
            continue
        if not isinstance(value, str) or _OWN.fullmatch(value) is None:
            raise _leak(f"column {column} with a value outside its closed vocabulary")


# Pseudonyms, code lines (`room/file:line`, `room/room/file:line`), exceptions of hygiene.Fault.
_OWN = re.compile(
    r"|[0-9a-f]{32}|[a-z_]+(/[a-z_]+){0,2}:[0-9]{1,5}|[A-Z][A-Za-z0-9]{1,40}|[a-z]+\.error"
)


def _leak(what: str) -> UserError:
    return UserError(
        f"The privacy guard refused to publish {what}. This is a fault of the converter: nothing"
        " more was written, please report it.",
        ExitCode.REFUSED,
    )
