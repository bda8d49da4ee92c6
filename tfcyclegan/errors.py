"""What a command says when its user can mend the cause."""


class UserError(Exception):
    """A condition that the user can mend: bad flag, missing file, damaged shard.

    Commands print the message as their last line and exit with `exit_code`; no traceback is shown.

    Args:
        message: One or two sentences: the rule, what was received, the way out.
        exit_code: Process exit status; the table stands in docs/commands.md.
    """

    def __init__(self, message: str, exit_code: int = 2):
        super().__init__(message)
        self.exit_code = exit_code
