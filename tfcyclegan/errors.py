"""What a command says when its user can mend the cause, and the code that it exits with."""

import enum


class ExitCode(enum.IntEnum):
    """Exit status of every command; docs/commands.md is the same table in words."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    QUARANTINED = 4
    MISSING = 5
    NOT_WRITABLE = 6
    REFUSED = 7
    DAMAGED = 8
    MISMATCH = 8
    TOO_MANY = 9
    LOST_WORKER = 10
    OUT_OF_TIME = 11
    INTERRUPTED = 130
    TERMINATED = 143


class UserError(Exception):
    """A condition that the user can mend: bad flag, missing file, damaged shard.

    Commands print the message as their last line and exit with `exit_code`; no traceback is shown.

    Args:
        message: One or two sentences: the rule, what was received, the way out.
        exit_code: Process exit status.
    """

    def __init__(self, message: str, exit_code: int = ExitCode.USAGE):
        super().__init__(message)
        self.exit_code = exit_code
