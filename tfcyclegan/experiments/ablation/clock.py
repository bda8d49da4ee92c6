"""Commands one after the other, until the time is over or somebody stops them."""

import contextlib
import pathlib
import signal
import subprocess
import time

from tfcyclegan.errors import UserError
from tfcyclegan.training.stop_request import EXIT_BASE, SIGNALS

GRACE_SECONDS = 60.0
GRACE_SHARE = 0.1
"""What of a budget is kept for saving: this many seconds, or this share if that is less."""


class Failed(Exception):
    """A command that ended with an error; the message is its last line."""


class OutOfTime(Exception):
    """The budget is used up; what ran has saved its state."""


class Stopped(Exception):
    """SIGTERM or SIGINT came."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class Clock:
    """Runs commands within a budget.

    Inside its `with`, SIGTERM and SIGINT are passed on to the command that runs, which saves.

    Args:
        budget_minutes: From now on; 0 is no limit.
    """

    def __init__(self, budget_minutes: float):
        self._begin = time.monotonic()
        self._budget = 60 * budget_minutes
        # Without a budget the share of it is 0, but a command that is stopped has to save.
        self._grace = min(GRACE_SECONDS, GRACE_SHARE * self._budget) or GRACE_SECONDS
        self._before = {}

    def __enter__(self) -> "Clock":
        def stop(number, frame):
            raise Stopped(number)

        self._before = {number: signal.signal(number, stop) for number in SIGNALS}
        return self

    def __exit__(self, kind, error, trace) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, Stopped):
            name = signal.Signals(error.number).name
            raise UserError(
                f"stopped by {name}; what ran is saved, and the same command continues.",
                EXIT_BASE + error.number,
            ) from None

    def elapsed(self) -> float:
        """Returns the seconds since the beginning."""
        return time.monotonic() - self._begin

    def run(self, command: list[str], log: pathlib.Path) -> None:
        """Runs a command, whose output goes to the end of a file.

        Raises:
            Failed: It ended with an error.
            OutOfTime: It was stopped, or not started, because the budget ends.
        """
        seconds_left = self._budget - self._grace - self.elapsed() if self._budget else None
        if seconds_left is not None and seconds_left <= 0:
            raise OutOfTime
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            before = file.tell()
            # In a session of its own: a terminal would send it Ctrl-C too, and twice is too often.
            child = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
            try:
                code = child.wait(seconds_left)
            except subprocess.TimeoutExpired:
                raise OutOfTime from None
            finally:
                self._end(child)
        if code:
            raise Failed(_last_words(log, before, code))

    def _end(self, child: subprocess.Popen) -> None:
        """Asks a command that still runs to save and leave, and kills it if it does not."""
        if child.poll() is None:
            child.terminate()
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(self._grace)
            finally:
                child.kill()
                child.wait()


def _last_words(log: pathlib.Path, before: int, code: int) -> str:
    """Returns the last error that a log has after its first bytes."""
    lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else f"exit code {code}; see {log}"
