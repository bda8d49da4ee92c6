"""SIGTERM and SIGINT ask a run to save and leave, instead of ending it where it stands."""

import os
import signal
import sys

from tfcyclegan.errors import UserError

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_BASE = 128
"""A process ended by signal n is reported as 128 + n by shells and by most schedulers."""


class StopRequest:
    """Remembers the first SIGTERM or SIGINT inside its `with`; a second one ends the process."""

    def __init__(self):
        self.received = 0
        self._before = {}

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame) -> None:
        del frame
        self.received = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        # A print could find its own buffer locked by the print that the signal interrupted.
        os.write(sys.__stderr__.fileno(), b"saving after this step, then leaving\n")

    def leave(self, saved: str) -> None:
        """Ends the command with 128 + the signal's number if one came.

        Args:
            saved: What the checkpoint holds, for the message.

        Raises:
            UserError: A signal came.
        """
        if self.received:
            raise UserError(
                f"stopped by {signal.Signals(self.received).name}; {saved} is saved, and the same"
                " command continues.",
                EXIT_BASE + self.received,
            )
