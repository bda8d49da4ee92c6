"""Keeps identifiers out of logs: silenced native output, and faults reduced to code locations.

Libraries quote what they read in warnings, exceptions and on the native error stream. A fault of an
input is therefore reported as the class of the exception and the line of this package it passed
through, never by its text.
"""

import contextlib
import dataclasses
import os
import pathlib
import resource
import sys
import types
from collections.abc import Callable, Iterator

from tfcyclegan.privacy.reasons import Refusal

PACKAGE = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What is reported of a failure.

    Attributes:
        reason: Code of privacy.reasons.
        error: Class name of the exception, empty for a `Refusal`.
        location: `room/file:line` of this package, empty for a `Refusal`.
        series: Pseudonym of the series concerned, where it is known.
    """

    reason: str
    error: str = ""
    location: str = ""
    series: str = ""


def isolated(function: Callable, *arguments, reason: str = "internal"):
    """Returns `function(*arguments)`, or a `Fault` for whatever it raises.

    This is the one place that catches everything: what comes in was made by unknown programs, any
    library may raise anything for it, and its text must not travel further.

    Args:
        function: Reads or converts one input.
        *arguments: Its arguments.
        reason: Code for exceptions that are no `Refusal`.
    """
    try:
        return function(*arguments)
    except Refusal as refusal:
        return Fault(refusal.reason, series=refusal.series)
    except MemoryError as error:
        return Fault("memory", *_origin(error))
    except RecursionError as error:
        return Fault("nesting", *_origin(error))
    except Exception as error:  # noqa: BLE001 - the isolation point described above
        return Fault(reason, *_origin(error))


def _origin(error: BaseException) -> tuple[str, str]:
    return class_of(error), location_of(error.__traceback__)


def class_of(error: BaseException) -> str:
    """Returns the class name of an exception, with its module where it is only `error`."""
    name = type(error).__name__.lstrip("_")
    return f"{type(error).__module__}.{name}" if name == "error" else name


def location_of(traceback: types.TracebackType | None) -> str:
    """Returns `room/file:line` of the innermost frame inside this package, or an empty string."""
    location = ""
    while traceback is not None:
        path = pathlib.Path(traceback.tb_frame.f_code.co_filename)
        if PACKAGE in path.parents:
            location = f"{path.relative_to(PACKAGE).with_suffix('')}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return location


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Sends the error stream, native code's included, to /dev/null for the length of a block."""
    sys.stderr.flush()
    saved_descriptor = os.dup(2)
    _to_nothing(2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved_descriptor, 2)
        os.close(saved_descriptor)


def close_streams() -> None:
    """Sends all that this process prints, native code's included, to /dev/null for good."""
    sys.stdout.flush()
    sys.stderr.flush()
    _to_nothing(1)
    _to_nothing(2)


def _to_nothing(descriptor: int) -> None:
    null_descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_descriptor, descriptor)
    os.close(null_descriptor)


def forbid_core_dumps() -> None:
    """A core file would hold the headers of whatever was being read."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
