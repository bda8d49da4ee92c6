"""How a command that reads studies ends: by an exit code, and without any text of an input."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault


def contained(command: Callable[..., int], *arguments) -> int:
    """Runs a command and returns its result. No exception passes on text of an input.

    Raises:
        UserError: As the command raised it; or it was interrupted, or failed.
    """
    hygiene.forbid_core_dumps()
    try:
        with _interruptible():
            result = hygiene.isolated(_guarded, command, *arguments)
    except KeyboardInterrupt:
        raise UserError(
            "Interrupted; nothing unfinished was left behind.", ExitCode.INTERRUPTED
        ) from None
    if isinstance(result, Fault):
        raise UserError(
            f"The command failed: {result.error} at {result.location}. Nothing of the input is"
            " shown; please report this line.",
            ExitCode.FAILED,
        )
    if isinstance(result, UserError):
        raise result
    return result


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Lets a scheduler's SIGTERM end the conversion as cleanly as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


def _guarded(command: Callable[..., int], *arguments) -> int | UserError:
    try:
        return command(*arguments)
    except UserError as error:
        # Without its cause: that may be an exception that quotes a path.
        return UserError(str(error), error.exit_code)
